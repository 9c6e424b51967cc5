//! Plain functions of the reward of a response.

use super::RewardShaper;
use crate::{
    error::RlError,
    range::{finite, non_negative},
    types::{Rewards, ScoredBatch},
};

/// `weight · reward`; with weight 0 only the rewards of tokens are left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutcomeWeight(pub f64);

impl RewardShaper for OutcomeWeight {
    fn check(&self) -> Result<(), RlError> {
        finite("outcome_weight", self.0)?;
        Ok(())
    }

    fn shape(&self, _: &ScoredBatch, rewards: &mut Rewards) -> Result<(), RlError> {
        rewards.outcomes.iter_mut().for_each(|r| *r *= self.0);
        Ok(())
    }
}

/// A reward for every token of a response; negative, a price.
///
/// Alone, a positive one teaches long and meaningless texts
/// (<https://github.com/turningpoint-ai/VisualThinker-R1-Zero>, `length_reward`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LengthReward(pub f64);

impl RewardShaper for LengthReward {
    fn check(&self) -> Result<(), RlError> {
        finite("length_reward", self.0)?;
        Ok(())
    }

    fn shape(&self, batch: &ScoredBatch, rewards: &mut Rewards) -> Result<(), RlError> {
        for (sample, outcome) in batch.samples.iter().zip(&mut rewards.outcomes) {
            *outcome += self.0 * sample.len() as f64;
        }
        Ok(())
    }
}

/// Rewards beyond `±limit` are cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RewardClip {
    limit: f64,
}

impl RewardClip {
    /// Cuts rewards to `±limit`.
    ///
    /// # Errors
    /// A limit that is negative or not finite.
    pub fn new(limit: f64) -> Result<Self, RlError> {
        non_negative("reward_clip", limit)?;
        Ok(Self { limit })
    }
}

impl RewardShaper for RewardClip {
    fn shape(&self, _: &ScoredBatch, rewards: &mut Rewards) -> Result<(), RlError> {
        let cut = |r: &mut f64| *r = r.clamp(-self.limit, self.limit);
        rewards.outcomes.iter_mut().for_each(cut);
        Ok(())
    }
}
