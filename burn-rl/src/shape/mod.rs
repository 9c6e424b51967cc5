//! What is done to rewards before they are compared.

mod kl;
mod outcome;
mod overlong;

pub use kl::KlReward;
pub use outcome::{LengthReward, OutcomeWeight, RewardClip};
pub use overlong::Overlong;

use crate::{
    error::RlError,
    recipe::RunFacts,
    types::{Needs, Sample, ScoredBatch},
};

/// Rewards while they are shaped, on the host.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rewards {
    /// The reward of each response: what baselines and scales work on.
    pub outcomes: Vec<f64>,
    /// Rewards of single tokens: what is added along the way to the outcome.
    pub tokens: Vec<Vec<f64>>,
}

impl Rewards {
    /// The rewards of a batch as they came.
    pub fn new(batch: &ScoredBatch) -> Self {
        let tokens = |sample: &Sample| {
            let mut rewards = sample.token_rewards.clone();
            rewards.resize(sample.len(), 0.0);
            rewards
        };
        Self {
            outcomes: batch.samples.iter().map(|s| s.reward).collect(),
            tokens: batch.samples.iter().map(tokens).collect(),
        }
    }
}

/// Changes rewards before advantages are computed from them.
pub trait RewardShaper: Send + Sync {
    /// What the shaper reads beside rewards, lengths and masks.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Refuses a run in which the shaper makes no sense.
    ///
    /// # Errors
    /// The option, what was found and what was expected.
    fn check(&self, _run: &RunFacts) -> Result<(), RlError> {
        Ok(())
    }

    /// Changes the rewards of a batch.
    fn shape(&self, batch: &ScoredBatch, rewards: &mut Rewards);
}
