//! Weights of whole groups: decorators of any score.

use crate::{
    error::RlError,
    range::{finite, non_negative},
    types::ScoredBatch,
};

/// How much a group counts.
pub trait GroupWeight: Send + Sync {
    /// Refuses options that make no sense.
    ///
    /// # Errors
    /// The option, what was found and what was expected.
    fn check(&self) -> Result<(), RlError> {
        Ok(())
    }

    /// One weight a group, from the shaped rewards of the batch.
    fn weights(&self, batch: &ScoredBatch, outcomes: &[f64]) -> Vec<f64>;
}

/// ADORA: a group counts fully only where some right answer is longer than wrong ones are on
/// average, so that thinking longer is what pays
/// (<https://github.com/ShadeCloak/ADORA>, `compute_grpo_outcome_advantage`).
///
/// The authors' two programs differ in groups without a right or without a short wrong answer; both
/// cases are fields here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdoraWeight {
    /// Weight of the other groups, λ.
    pub lambda: f64,
    /// A response is right if its reward is above this.
    pub success_above: f64,
    /// A wrong response counts if it has fewer tokens than this: cut ones say nothing of length.
    pub max_tokens: f64,
    /// Whether a group without a right answer counts fully.
    pub without_success: bool,
    /// Whether a group with a right answer and without a wrong one that counts does.
    pub without_failure: bool,
}

impl GroupWeight for AdoraWeight {
    fn check(&self) -> Result<(), RlError> {
        non_negative("adora_lambda", self.lambda)?;
        non_negative("adora_max_tokens", self.max_tokens)?;
        finite("adora_success_above", self.success_above)?;
        Ok(())
    }

    fn weights(&self, batch: &ScoredBatch, outcomes: &[f64]) -> Vec<f64> {
        let length = |i: &usize| batch.samples[*i].active() as f64;
        let full = |fully: bool| if fully { 1.0 } else { self.lambda };
        let weight = |group: &std::ops::Range<usize>| {
            let (right, wrong): (Vec<usize>, Vec<usize>) = group
                .clone()
                .partition(|i| outcomes[*i] > self.success_above);
            let wrong: Vec<f64> = wrong
                .iter()
                .map(length)
                .filter(|l| *l < self.max_tokens)
                .collect();
            let Some(longest) = right.iter().map(length).reduce(f64::max) else {
                return full(self.without_success);
            };
            if wrong.is_empty() {
                return full(self.without_failure);
            }
            let mean = wrong.iter().sum::<f64>() / wrong.len() as f64;
            full(longest > mean)
        };
        batch.groups.iter().map(weight).collect()
    }
}

/// Makes up for groups of equal rewards, which teach nothing but are counted: the others weigh
/// `min(cap, groups / groups that teach)`.
///
/// CPGD's clip-filter-like weight ([arXiv:2505.12504](https://arxiv.org/abs/2505.12504)), and
/// without a cap GPG's α ([arXiv:2504.02546](https://arxiv.org/abs/2504.02546), equation 7).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClipFilter {
    /// Largest weight.
    pub cap: f64,
}

impl GroupWeight for ClipFilter {
    fn check(&self) -> Result<(), RlError> {
        non_negative("clip_filter_cap", self.cap)?;
        Ok(())
    }

    fn weights(&self, batch: &ScoredBatch, outcomes: &[f64]) -> Vec<f64> {
        let teaches = |group: &std::ops::Range<usize>| {
            outcomes[group.clone()]
                .windows(2)
                .any(|pair| pair[0] != pair[1])
        };
        let teaching = batch.groups.iter().filter(|g| teaches(g)).count();
        let share = batch.groups.len() as f64 / teaching.max(1) as f64;
        let weight = |group| {
            if teaches(group) {
                share.min(self.cap)
            } else {
                1.0
            }
        };
        batch.groups.iter().map(weight).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Sample;

    /// Groups of (reward, tokens).
    fn batch(groups: &[&[(f64, usize)]]) -> (ScoredBatch, Vec<f64>) {
        let sample = |&(reward, tokens): &(f64, usize)| Sample {
            reward,
            mask: vec![true; tokens],
            ..Sample::default()
        };
        let batch = ScoredBatch::from_groups(groups.iter().map(|g| g.iter().map(sample).collect()));
        let outcomes = batch.samples.iter().map(|s| s.reward).collect();
        (batch, outcomes)
    }

    #[test]
    fn adora_by_hand() {
        let groups: &[&[(f64, usize)]] = &[
            &[(1.0, 5), (1.0, 2), (0.0, 4), (0.0, 3)],
            &[(1.0, 3), (0.0, 4), (0.0, 3)],
            &[(0.0, 4), (0.0, 3)],
            &[(1.0, 4), (0.0, 10)],
        ];
        let (batch, outcomes) = batch(groups);
        let adora = AdoraWeight {
            lambda: 0.1,
            success_above: 0.5,
            max_tokens: 10.0,
            without_success: true,
            without_failure: false,
        };
        // 5 > 3.5; 3 ≤ 3.5; no right answer; the only wrong answer is cut.
        assert_eq!(adora.weights(&batch, &outcomes), [1.0, 0.1, 1.0, 0.1]);
    }

    #[test]
    fn the_clip_filter_by_hand() {
        let groups: &[&[(f64, usize)]] = &[
            &[(1.0, 1), (0.0, 1)],
            &[(1.0, 1), (1.0, 1)],
            &[(0.0, 1)],
            &[(2.0, 1), (2.0, 1)],
        ];
        let (batch, outcomes) = batch(groups);
        let weights = |cap| ClipFilter { cap }.weights(&batch, &outcomes);
        assert_eq!(weights(3.0), [3.0, 1.0, 1.0, 1.0]);
        assert_eq!(weights(9.0), [4.0, 1.0, 1.0, 1.0]);
    }
}
