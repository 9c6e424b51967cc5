//! One folder a model family: its `config`, and `text`, `vision`, `processor` and the checkpoint's
//! `keys` where they are its own. What is here dispatches between them.

mod config;
mod decoder;
mod family;
mod section;
mod vision;

pub mod internlm2;
pub mod internvl;
pub mod llama;
pub mod qwen2;
pub mod qwen2_5_vl;
pub mod qwen2_vl;

pub use config::ModelConfig;
pub use family::Family;
pub use vision::{Vision, VisionConfig, VisionSizes};
