//! One folder a model family: its `config`, and `text`, `vision`, `processor` and the checkpoint's
//! `keys` where they are its own. What is here dispatches between them.

mod config;
mod decoder;
mod vision;

pub mod qwen2_5_vl;
pub mod qwen2_vl;

pub use config::{Family, ModelConfig};
pub use vision::{Vision, VisionConfig, VisionSizes};
