//! A soft penalty for responses that come near the length limit.

use super::RewardShaper;
use crate::{
    error::RlError,
    range::non_negative,
    types::{Rewards, RunFacts, ScoredBatch},
};

/// `min(0, −(length − (horizon − buffer)) / buffer) · penalty`, at least `−penalty`
/// ([arXiv:2503.14476](https://arxiv.org/abs/2503.14476), equation 13).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overlong {
    horizon: usize,
    buffer: usize,
    penalty: f64,
}

impl Overlong {
    /// The whole `penalty` is due from a length of `horizon` tokens on; it grows over the `buffer`
    /// tokens before.
    ///
    /// # Errors
    /// A buffer of 0 or longer than the horizon, or a penalty that is negative or not finite.
    pub fn new(horizon: usize, buffer: usize, penalty: f64) -> Result<Self, RlError> {
        non_negative("overlong_penalty", penalty)?;
        if buffer == 0 {
            let message = "algo.overlong_buffer is 0, expected at least 1 token";
            return Err(RlError::Config(message.into()));
        }
        if horizon < buffer {
            return Err(RlError::Config(format!(
                "algo.overlong_horizon is {horizon}, below algo.overlong_buffer, which is \
                 {buffer}: the penalty grows over the buffer before the horizon, expected a \
                 horizon of at least the buffer"
            )));
        }
        Ok(Self {
            horizon,
            buffer,
            penalty,
        })
    }
}

impl RewardShaper for Overlong {
    fn check_run(&self, run: &RunFacts) -> Result<(), RlError> {
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

    fn shape(&self, batch: &ScoredBatch, rewards: &mut Rewards) -> Result<(), RlError> {
        let free = (self.horizon - self.buffer) as f64;
        for (sample, outcome) in batch.samples.iter().zip(&mut rewards.outcomes) {
            let exceeded = (sample.len() as f64 - free) / self.buffer as f64;
            *outcome -= exceeded.clamp(0.0, 1.0) * self.penalty;
        }
        Ok(())
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
        let overlong = Overlong::new(10, 4, 2.0).unwrap();
        overlong.shape(&batch, &mut rewards).unwrap();
        assert_eq!(rewards.outcomes, [1.0, 1.0, 0.0, -1.0, -1.0]);
    }
}
