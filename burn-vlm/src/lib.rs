//! Vision-language models on [Burn](https://burn.dev): they load Hugging Face checkpoints, give the
//! numbers that transformers gives, generate in batches, and take gradients block by block.
//!
//! The parts, in the order a picture and a question walk through them:
//! [`image`] and [`text`] make an [`EncodedPrompt`] (through a
//! [`Processor`]), [`VlmInput`] pads prompts to a batch, [`Vlm`] runs it, [`generate`] samples from
//! it, and [`tape`] differentiates it. [`models`] holds what is a family's own.
//!
//! Nothing here knows of rewards or of training.
#![warn(missing_docs)]

mod adapters;
mod checkpoint;
pub mod device;
mod dir;
pub mod error;
pub mod features;
pub mod footprint;
pub mod freeze;
pub mod generate;
pub mod hub;
pub mod image;
pub mod input;
pub mod lora;
pub mod model;
pub mod models;
pub mod nn;
pub mod precision;
pub mod processor;
pub mod rng;
pub mod tape;
pub mod text;
mod transfer;
pub mod value_head;
pub mod weights;

pub use device::runs_on_host;
pub use error::VlmError;
pub use features::ImageFeatures;
pub use input::{Row, VlmInput};
pub use model::Vlm;
pub use models::ModelConfig;
pub use precision::{Compute, Precision};
pub use processor::Processor;
pub use text::EncodedPrompt;
pub use transfer::Transfer;
pub use value_head::{ValueHead, ValueInit};
