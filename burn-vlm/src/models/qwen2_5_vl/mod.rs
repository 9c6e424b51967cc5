//! Qwen2.5-VL ([arXiv:2502.13923](https://arxiv.org/abs/2502.13923)): a vision transformer with
//! windowed attention and 2-D rotary positions, a 2×2 merger, and a Qwen2.5 decoder with
//! three-part rotary positions (M-RoPE).

pub mod config;
pub mod keys;
pub mod processor;
pub mod text;
pub mod vision;

pub use config::{Qwen2_5VlConfig, VisionConfig};
pub use processor::Processor;
pub use vision::VisionTower;
