//! The KL to a reference model as a negative reward.

use super::{RewardShaper, Rewards};
use crate::{
    regularize::KlEstimator,
    types::{Needs, Sample, ScoredBatch},
};

/// `−β · KL(π_old‖π_ref)` at every token that takes part, or its sum in the outcome.
#[derive(Debug, Clone, Copy)]
pub struct KlReward {
    /// The estimator.
    pub estimator: KlEstimator,
    /// β, unless a controller has moved it.
    pub beta: f64,
    /// Whether the sum over the response is taken from its outcome, before any baseline, rather
    /// than each token's from its own reward.
    pub in_outcome: bool,
}

impl RewardShaper for KlReward {
    fn needs(&self) -> Needs {
        Needs {
            old_logp_on_host: true,
            ref_logp: true,
            ..Needs::default()
        }
    }

    fn shape(&self, batch: &ScoredBatch, rewards: &mut Rewards) {
        let beta = batch.carried.kl_coef.unwrap_or(self.beta);
        let kl = |sample: &Sample, t: usize| {
            let d = f64::from(sample.old_logp[t]) - f64::from(sample.ref_logp[t]);
            self.estimator.of(d)
        };
        for (i, sample) in batch.samples.iter().enumerate() {
            for t in (0..sample.len()).filter(|t| sample.mask[*t]) {
                let penalty = beta * kl(sample, t);
                if self.in_outcome {
                    rewards.outcomes[i] -= penalty;
                } else {
                    rewards.tokens[i][t] -= penalty;
                }
            }
        }
    }
}
