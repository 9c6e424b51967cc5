//! Qwen2-VL ([arXiv:2409.12191](https://arxiv.org/abs/2409.12191)): a vision transformer with 2-D
//! rotary positions, a 2×2 merger, and a Qwen2 decoder with three-part rotary positions (M-RoPE).
//! Qwen2.5-VL is built from the same parts.

pub mod config;
pub mod keys;
pub mod processor;
pub mod text;
pub mod vision;

pub use config::{VisionConfig, Windows};
pub use vision::VisionTower;
