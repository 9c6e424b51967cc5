//! Vision-language models on [Burn](https://burn.dev): they load Hugging Face checkpoints, give the
//! numbers that transformers gives, generate in batches, and take gradients block by block.
//!
//! # What to read, in this order
//!
//! | | |
//! |---|---|
//! | [`Vlm`] | the model: [`Vlm::from_dir`], [`Vlm::load`], [`Vlm::save`] |
//! | [`Processor`], [`EncodedPrompt`] | a conversation and its pictures become tokens and patches, through [`text`] and [`image`] |
//! | [`generate`] | completions of prompts, with their log-probabilities |
//! | [`VlmInput`], [`tape`] | rows padded to a batch; log-probabilities, entropies, and gradients of any loss of them |
//! | [`freeze`], [`lora`], [`ValueHead`] | what is trained, and a critic's head |
//! | [`models`] | the families, and how another crate adds one |
//! | [`weights`], [`precision`], [`device`], [`footprint`] | files, number formats, devices, memory |
//! | [`nn`] | the layers |
//!
//! Nothing here knows of rewards or of training loops.
//!
//! # From a model to a gradient
//!
//! ```
//! use burn::{module::Param, tensor::{Device, Tensor}};
//! use burn_vlm::{
//!     EncodedPrompt, ModelConfig, Row, Vlm, VlmInput,
//!     generate::{Generator, Limits, Request, SampleKey, Sampling},
//!     tape::{ActivationRecompute, Grads, Tape, Targets, Upstream},
//!     weights::{TensorMapper, map_tensors},
//! };
//! use std::sync::Arc;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let device = Device::flex();
//! // A tiny model with random weights. `Vlm::from_dir(dir, &device)?` loads a real one.
//! let config = ModelConfig::from_json(&serde_json::json!({
//!     "model_type": "qwen2", "vocab_size": 64, "hidden_size": 16, "intermediate_size": 32,
//!     "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
//!     "max_position_embeddings": 128,
//! }))?;
//! let model = Vlm::random(config, 0, &device);
//!
//! // Two completions of one prompt. `Processor::encode` makes prompts of conversations and pictures.
//! let prompt = Arc::new(EncodedPrompt { tokens: vec![5, 6, 7], images: vec![] });
//! let generator = Generator {
//!     model: &model,
//!     sampling: Sampling { temperature: 0.8, max_new_tokens: 4, ..Sampling::default() },
//!     stop: &[],
//!     limits: Limits::rows(8),
//!     logprob_temperature: 0.8,
//! };
//! let request = |draw| Request {
//!     prompt: prompt.clone(),
//!     key: SampleKey { draw, ..SampleKey::default() },
//! };
//! let completions = generator.generate(&[request(0), request(1)], &mut |_| {})?;
//!
//! // Their log-probabilities again, from one padded batch.
//! let tokens = completions.iter().map(|c| [&prompt.tokens[..], &c.tokens].concat());
//! let tokens: Vec<Vec<u32>> = tokens.collect();
//! let rows: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
//! let counts: Vec<usize> = completions.iter().map(|c| c.tokens.len()).collect();
//! let inputs: Vec<Row> = rows.iter().map(|tokens| Row { tokens, images: &[] }).collect();
//! let input = VlmInput::new(&inputs, model.config(), &device)?;
//! let targets = Targets::new(&rows, &counts, input.width, &device)?;
//! let tape = Tape::record(&model, &input, &targets, 0.8, ActivationRecompute::Block);
//! let logp: Vec<f32> = tape.scores().logp.into_data().iter().collect();
//! assert!((logp[0] - completions[0].logprobs[0]).abs() < 1e-4);
//!
//! // The gradient of their sum, and a step along it.
//! let ones = Tensor::ones(targets.shape(), &device);
//! let grads = tape.backward(Upstream { logp: Some(ones), ..Upstream::default() });
//! struct Ascend<'a>(&'a Grads);
//! impl TensorMapper for Ascend<'_> {
//!     fn map<const D: usize>(&mut self, _: &str, param: &Param<Tensor<D>>) -> Option<Tensor<D>> {
//!         let grad = self.0.get::<D>(param.id)?;
//!         Some(param.val() + grad.mul_scalar(1e-2))
//!     }
//! }
//! let moved = map_tensors(model, &mut Ascend(&grads));
//! let tape = Tape::record(&moved, &input, &targets, 0.8, ActivationRecompute::Block);
//! let after: Vec<f32> = tape.scores().logp.into_data().iter().collect();
//! assert!(after.iter().sum::<f32>() > logp.iter().sum());
//! # Ok(())
//! # }
//! ```
//!
//! # When it panics
//!
//! Wrong arguments are errors, with three exceptions, which all panic in Burn. The layers of [`nn`],
//! and what a family implements with them, take tensors as Burn's own layers do: shapes that do not
//! fit each other, or the layer, are a mistake in code. So is a [`VlmInput`] that is used with
//! another model than it was made for, or [`tape::Targets`] with another batch. And a device may
//! fail. What panics beyond that is a bug in this crate: that the output of a block depends on its input
//! (`tape`), that numbers which were made f32 are f32 (`weights`, `generate`), and that a mapper
//! gives a parameter back (`models`).
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
pub mod host;
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

pub use checkpoint::LoadOptions;
pub use device::runs_on_host;
pub use error::VlmError;
pub use features::ImageFeatures;
pub use input::{PromptRow, Row, RowKey, VlmInput};
pub use model::Vlm;
pub use models::{Families, ModelConfig};
pub use precision::{Compute, Precision};
pub use processor::Processor;
pub use text::EncodedPrompt;
pub use transfer::Transfer;
pub use value_head::{ValueHead, ValueInit};
