//! Sampling completions in batches, with a key-value cache.
//!
//! What a sequence becomes depends on its prompt and its [`SampleKey`] alone, not on its batch.

mod engine;
pub mod rng;
mod sampler;

pub use engine::{Completion, FinishReason, Generator, Request};
pub use rng::SampleKey;
pub use sampler::{Sampled, Sampling, sample};
