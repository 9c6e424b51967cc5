//! Low-rank adapters beside frozen weights ([arXiv:2106.09685](https://arxiv.org/abs/2106.09685)):
//! what they are made of, and how their files are called.
//!
//! An adapter is part of the [`Linear`](crate::nn::Linear) it adapts and is computed beside it,
//! `W x + s · B (A x)`: no weight-shaped product and no weight-shaped gradient ever exist while it
//! is trained. It is drawn, saved and loaded as [PEFT](https://github.com/huggingface/peft) does:
//! [`Vlm::with_lora`](crate::Vlm::with_lora), [`Vlm::with_adapter`](crate::Vlm::with_adapter).

mod base;
mod config;
mod peft;

pub use base::{BaseModel, Lora};
pub(crate) use config::ends_in;
pub use config::{ALL_LINEAR, LoraConfig};
pub use peft::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, base_dir, is_adapter};
pub(crate) use peft::{BASE, PREFIX, read_config};
