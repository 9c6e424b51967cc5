//! What is asked for, of which model, and what comes of it.

use super::{
    SampleKey,
    sampler::{Sampled, Sampling},
};
use crate::{model::Vlm, text::EncodedPrompt};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A completion to be drawn.
#[derive(Debug, Clone)]
pub struct Request {
    /// What the model reads. Requests that share it are read once.
    pub prompt: Arc<EncodedPrompt>,
    /// What decides the random numbers.
    pub key: SampleKey,
}

/// Why a completion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FinishReason {
    /// The model said a stop token, which is the last token, or the end of a stop string.
    Stop,
    /// `max_new_tokens` were reached first.
    Length,
}

/// A drawn completion.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// The tokens, a final stop token included.
    pub tokens: Vec<u32>,
    /// Log-probability of each under the policy at
    /// [`logprob_temperature`](Generator::logprob_temperature), in nats: without truncation and
    /// without the repetition penalty.
    pub logprobs: Vec<f32>,
    /// Log-probability of each under the behaviour policy, the distribution it was drawn from, in
    /// nats: after penalty, temperature, top-k and top-p. Zero for greedy draws.
    pub behaviour_logprobs: Vec<f32>,
    /// Why it ended.
    pub finish: FinishReason,
}

/// How much is decoded together. What does not fit waits its turn; no completion depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most sequences.
    pub max_batch: usize,
    /// Most positions of keys and values that are held at a time: of each prompt once for all of
    /// its sequences, and room for all new tokens of each. On a host they are counted in pages of
    /// 16, elsewhere as a cache of padded places has them.
    pub max_tokens: usize,
}

impl Limits {
    /// So many sequences, however long.
    pub fn rows(max_batch: usize) -> Self {
        Self {
            max_batch,
            max_tokens: usize::MAX,
        }
    }
}

/// Draws completions from a model.
#[derive(Debug, Clone, Copy)]
pub struct Generator<'a> {
    /// The model.
    pub model: &'a Vlm,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Tokens that end a completion.
    pub stop: &'a [u32],
    /// How much is decoded together.
    pub limits: Limits,
    /// Temperature at which [`Completion::logprobs`] are reported, more than 0: 1 for those of the
    /// policy itself. The logits are divided by it in f32 before log-softmax, as
    /// [`Tape::record`](crate::tape::Tape::record) does, so both agree at any temperature. It does
    /// not change what is drawn.
    pub logprob_temperature: f64,
}

impl Completion {
    pub(super) fn new() -> Self {
        let (logprobs, behaviour_logprobs) = (vec![], vec![]);
        Self {
            tokens: vec![],
            logprobs,
            behaviour_logprobs,
            finish: FinishReason::Length,
        }
    }

    pub(super) fn push(&mut self, token: Sampled) {
        self.tokens.push(token.id);
        self.logprobs.push(token.logprob);
        self.behaviour_logprobs.push(token.behaviour_logprob);
    }
}
