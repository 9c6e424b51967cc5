//! A soft penalty for responses that come near the length limit.

use super::{RewardShaper, Rewards};
use crate::{error::RlError, recipe::RunFacts, types::ScoredBatch};

/// `min(0, −(length − (horizon − buffer)) / buffer) · penalty`, at least `−penalty`
/// ([arXiv:2503.14476](https://arxiv.org/abs/2503.14476), equation 13).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overlong {
    /// Length in tokens from which on the whole penalty is due.
    pub horizon: usize,
    /// Over how many tokens before the horizon the penalty grows.
    pub buffer: usize,
    /// The whole penalty.
    pub penalty: f64,
}

impl RewardShaper for Overlong {
    fn check(&self, run: &RunFacts) -> Result<(), RlError> {
        let free = self.horizon - self.buffer;
        if run.max_new_tokens <= free {
            let longest = run.max_new_tokens;
            return Err(RlError::Config(format!(
                "algo.overlong_horizon is {} and algo.overlong_buffer is {}, so responses of up to \
                 {free} tokens have no penalty, but rollout.sampling.max_new_tokens is {longest}: \
                 expected a horizon near {longest}, or algo.overlong_penalty = 0",
                self.horizon, self.buffer
            )));
        }
        Ok(())
    }

    fn shape(&self, batch: &ScoredBatch, rewards: &mut Rewards) {
        let free = (self.horizon - self.buffer) as f64;
        for (sample, outcome) in batch.samples.iter().zip(&mut rewards.outcomes) {
            let exceeded = (sample.len() as f64 - free) / self.buffer as f64;
            *outcome -= exceeded.clamp(0.0, 1.0) * self.penalty;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Sample;

    #[test]
    fn by_hand() {
        let sample = |tokens: usize| Sample {
            reward: 1.0,
            mask: vec![true; tokens],
            ..Sample::default()
        };
        let batch = ScoredBatch::from_groups([[5, 6, 8, 10, 12].map(sample).to_vec()]);
        let mut rewards = Rewards::new(&batch);
        let overlong = Overlong {
            horizon: 10,
            buffer: 4,
            penalty: 2.0,
        };
        overlong.shape(&batch, &mut rewards);
        assert_eq!(rewards.outcomes, [1.0, 1.0, 0.0, -1.0, -1.0]);
    }
}
