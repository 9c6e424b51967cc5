//! Sampling completions in batches, with a key-value cache.
//!
//! What a sequence becomes depends on its prompt and its [`SampleKey`] alone, not on its batch.

mod engine;
mod key;
mod sampler;
mod stop_strings;

pub use engine::{Completion, FinishReason, Generator, Request};
pub use key::{Purpose, SampleKey};
pub use sampler::Sampling;
pub use stop_strings::StopStrings;
