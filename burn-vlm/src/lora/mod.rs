//! Low-rank adapters beside frozen weights ([arXiv:2106.09685](https://arxiv.org/abs/2106.09685)).
//!
//! An adapter is part of the [`Linear`](crate::nn::Linear) it adapts and is computed beside it,
//! `W x + s · B (A x)`: no weight-shaped product and no weight-shaped gradient ever exist while it
//! is trained. It is drawn, saved and loaded as [PEFT](https://github.com/huggingface/peft) does.

mod adapter;
mod attach;
mod config;
mod dropout;
mod peft;

pub use adapter::Adapter;
pub use attach::{BaseModel, Lora};
pub use config::{ALL_LINEAR, LoraConfig};
pub use dropout::{Dropout, PositionKeys};
pub(crate) use peft::BASE;
pub use peft::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, base_dir, is_adapter};
