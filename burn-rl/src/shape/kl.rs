//! The KL to a reference model as a negative reward.

use super::RewardShaper;
use crate::{
    error::RlError,
    range::non_negative,
    regularize::KlEstimator,
    types::{Needs, Rewards, ScoredBatch},
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

    fn check(&self) -> Result<(), RlError> {
        non_negative("beta", self.beta)?;
        Ok(())
    }

    fn shape(&self, batch: &ScoredBatch, rewards: &mut Rewards) -> Result<(), RlError> {
        let beta = batch.carried.kl_coef.unwrap_or(self.beta);
        let rewards = rewards.outcomes.iter_mut().zip(&mut rewards.tokens);
        for (sample, (outcome, tokens)) in batch.samples.iter().zip(rewards) {
            for (name, list) in [
                ("old_logp", &sample.old_logp),
                ("ref_logp", &sample.ref_logp),
            ] {
                if list.len() < sample.len() {
                    return Err(RlError::NotProvided(name));
                }
            }
            let logps = sample.old_logp.iter().zip(&sample.ref_logp);
            let active = logps
                .zip(tokens)
                .zip(&sample.mask)
                .filter(|(_, mask)| **mask);
            for (((old, reference), token), _) in active {
                let d = f64::from(*old) - f64::from(*reference);
                let penalty = beta * self.estimator.of(d);
                match self.in_outcome {
                    true => *outcome -= penalty,
                    false => *token -= penalty,
                }
            }
        }
        Ok(())
    }
}
