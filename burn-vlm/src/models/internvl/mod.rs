//! InternVL2.5 ([arXiv:2412.05271](https://arxiv.org/abs/2412.05271)): square tiles of a picture
//! through InternViT, four patches shuffled into one, a two-layer projector, and InternLM2, Qwen2.5
//! or Llama as the decoder. Checkpoints come in a layout of their own and in that of transformers;
//! both are read, and each is written as it came.

pub mod config;
pub mod keys;
pub mod processor;
pub mod vision;

pub use config::VisionConfig;
pub use vision::VisionTower;

/// The token that an image feature replaces.
pub const IMAGE_TOKEN: &str = "<IMG_CONTEXT>";
