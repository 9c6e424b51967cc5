//! What walks through a training step.

use burn_rewards::Reward;
use burn_vlm::{EncodedPrompt, generate::FinishReason};
use std::{ops::Range, path::PathBuf, sync::Arc};

/// A data row made ready for the model.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// Identity of the row, unique in its file.
    pub id: String,
    /// The id as a number: what random draws are keyed by.
    pub key: u64,
    /// What the user wrote, for people.
    pub text: String,
    /// The picture files.
    pub images: Vec<PathBuf>,
    /// The gold answer; empty where a row only demonstrates.
    pub answer: String,
    /// The demonstrated response as tokens, stop token included, if the row has one.
    pub target: Option<Vec<u32>>,
    /// What the model reads.
    pub encoded: Arc<EncodedPrompt>,
}

/// One completion of a prompt. It is identified by (step, prompt id, draw), never by its text.
#[derive(Debug, Clone)]
pub struct Rollout {
    /// The response, stop token included.
    pub tokens: Vec<u32>,
    /// Log-probability of each token under the policy that sampled it.
    pub sample_logprobs: Vec<f32>,
    /// Why it ended.
    pub finish: FinishReason,
    /// The response as text, without special tokens.
    pub text: String,
    /// The score.
    pub reward: Reward,
}

/// All completions of one prompt in one step.
#[derive(Debug, Clone)]
pub struct Group {
    /// The prompt.
    pub prompt: Arc<Prompt>,
    /// Its completions, by draw.
    pub rollouts: Vec<Rollout>,
}

/// One completion as an algorithm sees it: numbers, one a response token where they are lists.
///
/// A list that no part of the algorithm needs is empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// The reward of the whole response.
    pub reward: f64,
    /// Whether the response was cut at the length limit.
    pub truncated: bool,
    /// False for tokens that take no part in the loss.
    pub mask: Vec<bool>,
    /// Log-probabilities under the policy that sampled.
    pub sample_logp: Vec<f32>,
    /// Log-probabilities under the policy before the update, by the trainer.
    pub old_logp: Vec<f32>,
    /// Log-probabilities under the reference model.
    pub ref_logp: Vec<f32>,
}

impl Sample {
    /// Number of response tokens.
    pub fn len(&self) -> usize {
        self.mask.len()
    }

    /// Whether the response is empty.
    pub fn is_empty(&self) -> bool {
        self.mask.is_empty()
    }

    /// Number of tokens that take part in the loss.
    pub fn active(&self) -> usize {
        self.mask.iter().filter(|m| **m).count()
    }
}

/// The completions of a step on the host, group after group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScoredBatch {
    /// All samples.
    pub samples: Vec<Sample>,
    /// Which of them belong to one prompt.
    pub groups: Vec<Range<usize>>,
}

impl ScoredBatch {
    /// A batch of groups.
    pub fn from_groups(groups: impl IntoIterator<Item = Vec<Sample>>) -> Self {
        let mut batch = Self::default();
        for group in groups {
            let start = batch.samples.len();
            batch.samples.extend(group);
            batch.groups.push(start..batch.samples.len());
        }
        batch
    }
}

/// What every token of a batch is worth: one list a sample, one number a response token.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Credit {
    /// Advantages.
    pub advantages: Vec<Vec<f32>>,
}

/// Which numbers an algorithm reads, so that no pass runs and no model is built for nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// More than one completion a prompt.
    pub groups: bool,
    /// Log-probabilities under the policy before the update.
    pub old_logp: bool,
    /// Log-probabilities under the reference model.
    pub ref_logp: bool,
}

impl Needs {
    /// What either needs.
    pub fn union(self, other: Self) -> Self {
        Self {
            groups: self.groups || other.groups,
            old_logp: self.old_logp || other.old_logp,
            ref_logp: self.ref_logp || other.ref_logp,
        }
    }
}
