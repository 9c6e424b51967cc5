//! Sampling completions, with a key-value cache.
//!
//! What a sequence becomes depends on its prompt and its [`SampleKey`] alone, not on its batch. A
//! [`Generator`] completes a list of requests; it is a loop over an [`Engine`], which takes requests
//! and gives tokens one step at a time.

mod engine;
mod generator;
mod key;
mod prompts;
mod request;
mod sampler;
mod stop_strings;

pub(crate) use engine::PREFILL_TOKENS;
pub use engine::{Ends, Engine, Event, RequestId};
pub use key::{Purpose, SampleKey};
pub use request::{Completion, FinishReason, Generator, Limits, Request};
pub use sampler::Sampling;
pub use stop_strings::StopStrings;
