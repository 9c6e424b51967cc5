//! The reward of a response relative to others: baseline, scale, weight of its group.

use super::GroupWeight;
use crate::{
    error::RlError,
    range::{between, non_negative},
    types::{Needs, ScoredBatch},
};
use serde::{Deserialize, Serialize};

/// What is subtracted from the reward of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// Nothing.
    None,
    /// The mean over the group.
    #[default]
    GroupMean,
    /// The mean over the other completions of the group; a group of one has score 0.
    LeaveOneOut,
    /// The mean over the group, each completion weighted by its length
    /// ([arXiv:2505.23585](https://arxiv.org/abs/2505.23585)).
    LengthWeighted,
    /// The reward of the greedy completion of the same prompt
    /// ([arXiv:2310.10505](https://arxiv.org/abs/2310.10505)).
    Greedy,
    /// The moving average of the rewards of earlier steps; at the first step, the batch's mean.
    MovingAverage,
    /// The critic's value of each state: generalised advantage estimation instead of a score.
    Critic,
}

/// What the difference is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// The standard deviation of the group.
    #[default]
    GroupStd,
    /// The standard deviation of all rewards of the batch.
    BatchStd,
    /// The mean of the group; a group of mean 0 has score 0.
    GroupMean,
    /// Nothing.
    None,
}

/// `w_group · (r − baseline) / (scale + ε)` for each response, cut to `±clip`.
///
/// A group whose rewards are equal has score 0 under a baseline of its own.
pub struct Score {
    /// What is subtracted.
    pub baseline: Baseline,
    /// Share of the old average in [`Baseline::MovingAverage`].
    pub baseline_decay: f64,
    /// What the difference is divided by.
    pub scale: Scale,
    /// ε, in units of reward.
    pub epsilon: f64,
    /// Standard deviations divide by `n − ddof`.
    pub ddof: u8,
    /// Weights of whole groups, multiplied.
    pub weights: Vec<Box<dyn GroupWeight>>,
    /// Largest absolute score; none for no limit.
    pub clip: Option<f64>,
}

impl Score {
    /// What the score reads beside rewards.
    pub fn needs(&self) -> Needs {
        let own = [
            Baseline::GroupMean,
            Baseline::LeaveOneOut,
            Baseline::LengthWeighted,
        ];
        Needs {
            groups: own.contains(&self.baseline)
                || matches!(self.scale, Scale::GroupStd | Scale::GroupMean),
            greedy_reward: self.baseline == Baseline::Greedy,
            ..Needs::default()
        }
    }

    /// Refuses options that make no sense.
    ///
    /// # Errors
    /// The option, what was found and what was expected.
    pub fn check(&self) -> Result<(), RlError> {
        between("baseline_decay", self.baseline_decay, 0.0, 1.0)?;
        between("std_ddof", f64::from(self.ddof), 0.0, 1.0)?;
        non_negative("std_epsilon", self.epsilon)?;
        non_negative("score_clip", self.clip.unwrap_or(0.0))?;
        self.weights.iter().try_for_each(|weight| weight.check())
    }

    /// The score of every response, from its shaped reward.
    ///
    /// # Errors
    /// [`RlError::NotProvided`] where a sample lacks the greedy reward that the baseline is; lists
    /// that do not fit together.
    pub fn of(&self, batch: &ScoredBatch, outcomes: &[f64]) -> Result<Vec<f64>, RlError> {
        batch.check()?;
        if outcomes.len() != batch.samples.len() {
            let (found, expected) = (outcomes.len(), batch.samples.len());
            let message = format!("{found} rewards for {expected} samples, expected one each");
            return Err(RlError::Config(message));
        }
        let mut scores = vec![0.0; outcomes.len()];
        let batch_std = deviation(outcomes, self.ddof);
        for group in &batch.groups {
            let rewards = &outcomes[group.clone()];
            let mean = mean(rewards);
            let divisor = match self.scale {
                Scale::GroupStd => deviation(rewards, self.ddof) + self.epsilon,
                Scale::BatchStd => batch_std + self.epsilon,
                Scale::GroupMean => mean + self.epsilon,
                Scale::None => 1.0,
            };
            for i in group.clone() {
                let difference = outcomes[i] - self.baseline_of(batch, outcomes, group, i)?;
                // Equal rewards are worth nothing, and 0/0 is no number.
                let nothing = difference == 0.0 || divisor == 0.0;
                scores[i] = if nothing { 0.0 } else { difference / divisor };
            }
        }
        for weight in &self.weights {
            let weights = weight.weights(batch, outcomes);
            for (group, weight) in batch.groups.iter().zip(weights) {
                scores[group.clone()].iter_mut().for_each(|s| *s *= weight);
            }
        }
        if let Some(limit) = self.clip {
            for score in scores.iter_mut().filter(|s| s.abs() > limit) {
                *score = limit.copysign(*score);
            }
        }
        Ok(scores)
    }

    /// The moving average after a batch, where the baseline is one.
    pub fn average(&self, batch: &ScoredBatch, outcomes: &[f64]) -> Option<f64> {
        let now = mean(outcomes);
        let before = batch.carried.reward_average.unwrap_or(now);
        let decay = self.baseline_decay;
        (self.baseline == Baseline::MovingAverage).then_some(decay * before + (1.0 - decay) * now)
    }

    fn baseline_of(
        &self,
        batch: &ScoredBatch,
        outcomes: &[f64],
        group: &std::ops::Range<usize>,
        i: usize,
    ) -> Result<f64, RlError> {
        let rewards = &outcomes[group.clone()];
        Ok(match self.baseline {
            Baseline::None | Baseline::Critic => 0.0,
            Baseline::GroupMean => mean(rewards),
            Baseline::LeaveOneOut if rewards.len() < 2 => outcomes[i],
            Baseline::LeaveOneOut => {
                let others = group.clone().filter(|j| *j != i).map(|j| outcomes[j]);
                others.sum::<f64>() / (rewards.len() - 1) as f64
            }
            Baseline::LengthWeighted => {
                let lengths = || group.clone().map(|j| batch.samples[j].active() as f64);
                let total: f64 = lengths().sum();
                let weighted: f64 = lengths().zip(rewards).map(|(l, r)| l * r).sum();
                // Without a token there is nothing that the score could reach.
                if total > 0.0 {
                    weighted / total
                } else {
                    outcomes[i]
                }
            }
            Baseline::Greedy => batch.samples[i]
                .greedy_reward
                .ok_or(RlError::NotProvided("greedy_reward"))?,
            Baseline::MovingAverage => batch
                .carried
                .reward_average
                .unwrap_or_else(|| mean(outcomes)),
        })
    }
}

fn mean(values: &[f64]) -> f64 {
    // Equal values have exactly that mean, whatever rounding a sum would bring.
    match values.windows(2).all(|pair| pair[0] == pair[1]) {
        true => values.first().copied().unwrap_or(0.0),
        false => values.iter().sum::<f64>() / values.len() as f64,
    }
}

/// Standard deviation; 0 where there are no more than `ddof` values.
fn deviation(values: &[f64], ddof: u8) -> f64 {
    let centre = mean(values);
    let squares: f64 = values.iter().map(|v| (v - centre).powi(2)).sum();
    let free = values.len() as f64 - f64::from(ddof);
    if free > 0.0 {
        (squares / free).sqrt()
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{CarriedState, Sample};

    fn scores(baseline: Baseline, scale: Scale, groups: &[&[f64]]) -> Vec<f64> {
        let sample = |(i, reward): (usize, &f64)| Sample {
            reward: *reward,
            greedy_reward: Some(0.5),
            mask: vec![true; i + 1],
            ..Sample::default()
        };
        let group = |rewards: &&[f64]| rewards.iter().enumerate().map(sample).collect();
        let mut batch = ScoredBatch::from_groups(groups.iter().map(group));
        batch.carried = CarriedState {
            reward_average: Some(0.25),
            ..CarriedState::default()
        };
        let outcomes: Vec<f64> = batch.samples.iter().map(|s| s.reward).collect();
        let score = Score {
            baseline,
            baseline_decay: 0.9,
            scale,
            epsilon: 0.0,
            ddof: 1,
            weights: vec![],
            clip: None,
        };
        score.of(&batch, &outcomes).unwrap()
    }

    #[test]
    fn baselines_by_hand() {
        let of = |baseline| scores(baseline, Scale::None, &[&[0.0, 3.0, 6.0]]);
        assert_eq!(of(Baseline::GroupMean), [-3.0, 0.0, 3.0]);
        assert_eq!(of(Baseline::LeaveOneOut), [-4.5, 0.0, 4.5]);
        // Lengths 1, 2, 3: (0 + 6 + 18) / 6 = 4.
        assert_eq!(of(Baseline::LengthWeighted), [-4.0, -1.0, 2.0]);
        assert_eq!(of(Baseline::Greedy), [-0.5, 2.5, 5.5]);
        assert_eq!(of(Baseline::MovingAverage), [-0.25, 2.75, 5.75]);
        assert_eq!(of(Baseline::None), [0.0, 3.0, 6.0]);
    }

    #[test]
    fn scales_by_hand() {
        // Deviation of 0, 2, 1: squares 1 + 1 + 0 over 2; of all four with mean 1: 2 over 3.
        let groups: &[&[f64]] = &[&[0.0, 2.0, 1.0], &[1.0]];
        assert_eq!(
            scores(Baseline::GroupMean, Scale::GroupStd, groups),
            [-1.0, 1.0, 0.0, 0.0]
        );
        let batch = scores(Baseline::GroupMean, Scale::BatchStd, groups);
        assert!((batch[1] - 1.5f64.sqrt()).abs() < 1e-12, "{batch:?}");
        assert_eq!(
            scores(
                Baseline::GroupMean,
                Scale::GroupMean,
                &[&[0.0, 1.0], &[0.0, 0.0]]
            ),
            [-1.0, 1.0, 0.0, 0.0]
        );
    }

    #[test]
    fn equal_rewards_are_worth_nothing() {
        for scale in [
            Scale::GroupStd,
            Scale::BatchStd,
            Scale::GroupMean,
            Scale::None,
        ] {
            for baseline in [
                Baseline::GroupMean,
                Baseline::LeaveOneOut,
                Baseline::LengthWeighted,
            ] {
                let found = scores(baseline, scale, &[&[0.1, 0.1, 0.1], &[0.3]]);
                assert!(
                    found.iter().all(|s| s.abs() < 1e-12),
                    "{baseline:?} {scale:?} {found:?}"
                );
            }
        }
    }
}
