//! The reward relative to the other completions of the same prompt.

use super::AdvantageEstimator;
use crate::{
    shape::Rewards,
    types::{Credit, Needs, ScoredBatch},
};
use serde::{Deserialize, Serialize};

/// What the difference to the mean is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// The group's standard deviation.
    #[default]
    GroupStd,
    /// Nothing.
    None,
}

/// `A = (r − mean(group)) / (std(group) + ε)` for every token of a response
/// ([arXiv:2402.03300](https://arxiv.org/abs/2402.03300), section 4.1.2).
///
/// The standard deviation divides by `n − 1`, as the authors' and all later implementations have it.
/// A group whose rewards are equal has advantage 0.
#[derive(Debug, Clone, Copy)]
pub struct GroupNorm {
    /// Divisor of the difference.
    pub scale: Scale,
    /// ε, in units of reward.
    pub epsilon: f64,
}

impl AdvantageEstimator for GroupNorm {
    fn needs(&self) -> Needs {
        Needs {
            groups: true,
            ..Needs::default()
        }
    }

    fn estimate(&self, batch: &ScoredBatch, rewards: &Rewards) -> Credit {
        let mut values = Vec::with_capacity(batch.samples.len());
        for group in &batch.groups {
            let rewards = &rewards.outcomes[group.clone()];
            let n = rewards.len() as f64;
            let mean = rewards.iter().sum::<f64>() / n;
            let squares: f64 = rewards.iter().map(|r| (r - mean).powi(2)).sum();
            let divisor = match self.scale {
                Scale::GroupStd => (squares / (n - 1.0).max(1.0)).sqrt() + self.epsilon,
                Scale::None => 1.0,
            };
            values.extend(rewards.iter().map(|r| (r - mean) / divisor));
        }
        Credit::per_sample(batch, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Sample;

    fn estimate(scale: Scale, rewards: &[f64]) -> Vec<f32> {
        let sample = |reward: &f64| Sample {
            reward: *reward,
            mask: vec![true; 2],
            ..Sample::default()
        };
        let batch = ScoredBatch::from_groups([rewards.iter().map(sample).collect()]);
        let credit = GroupNorm {
            scale,
            epsilon: 0.0,
        }
        .estimate(&batch, &Rewards::new(&batch));
        assert!(
            credit
                .advantages
                .iter()
                .all(|a| a.len() == 2 && a[0] == a[1])
        );
        credit.advantages.iter().map(|a| a[0]).collect()
    }

    #[test]
    fn by_hand() {
        // Mean 1, squared differences 1 + 1 + 0, divided by 2: standard deviation 1.
        assert_eq!(
            estimate(Scale::GroupStd, &[0.0, 2.0, 1.0]),
            [-1.0, 1.0, 0.0]
        );
        assert_eq!(estimate(Scale::None, &[0.0, 4.0]), [-2.0, 2.0]);
    }

    #[test]
    fn equal_rewards_are_worth_nothing() {
        let sample = || Sample {
            reward: 0.1,
            mask: vec![true],
            ..Sample::default()
        };
        let batch = ScoredBatch::from_groups([(0..3).map(|_| sample()).collect()]);
        let credit = GroupNorm {
            scale: Scale::GroupStd,
            epsilon: 1e-6,
        }
        .estimate(&batch, &Rewards::new(&batch));
        assert!(credit.advantages.iter().all(|a| a[0].abs() < 1e-9));
    }
}
