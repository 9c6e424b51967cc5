//! Plain functions of the reward of a response.

use super::{RewardShaper, Rewards};
use crate::types::ScoredBatch;

/// `weight · reward`; with weight 0 only the rewards of tokens are left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutcomeWeight(pub f64);

impl RewardShaper for OutcomeWeight {
    fn shape(&self, _: &ScoredBatch, rewards: &mut Rewards) {
        rewards.outcomes.iter_mut().for_each(|r| *r *= self.0);
    }
}

/// A reward for every token of a response; negative, a price.
///
/// Alone, a positive one teaches long and meaningless texts
/// (<https://github.com/turningpoint-ai/VisualThinker-R1-Zero>, `length_reward`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LengthReward(pub f64);

impl RewardShaper for LengthReward {
    fn shape(&self, batch: &ScoredBatch, rewards: &mut Rewards) {
        for (sample, outcome) in batch.samples.iter().zip(&mut rewards.outcomes) {
            *outcome += self.0 * sample.len() as f64;
        }
    }
}

/// Rewards beyond `±limit` are cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RewardClip(pub f64);

impl RewardShaper for RewardClip {
    fn shape(&self, _: &ScoredBatch, rewards: &mut Rewards) {
        let limit = self.0;
        rewards
            .outcomes
            .iter_mut()
            .for_each(|r| *r = r.clamp(-limit, limit));
    }
}
