//! From one loss a token to one loss: the only place that divides.
//!
//! A reduction is a weight for every sample, computed from counts of the whole optimiser step. The
//! loss is then a plain sum of weighted tokens, so it does not depend on how a batch is split.

use crate::types::{Sample, ScoredBatch};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// How tokens become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossReduction {
    /// Mean over all tokens of the batch (DAPO, SFT).
    TokenMean,
    /// Mean over sequences of each one's mean over its tokens (GRPO).
    SequenceMean,
    /// Mean over groups of each one's mean over all its tokens (CPGD).
    GroupMean,
    /// Mean over sequences of each one's sum over its tokens, divided by a horizon (Dr. GRPO).
    SequenceSum,
}

impl LossReduction {
    /// The weight of every token of each sample, for an optimiser step on the given groups.
    ///
    /// A sample without active tokens counts as a sequence of weight zero, and a group without any
    /// as a group of weight zero; so does a sample that is not there. `horizon` is what a sum over a sequence is divided by.
    pub fn weights(
        self,
        horizon: f64,
        batch: &ScoredBatch,
        groups: &[Range<usize>],
    ) -> Vec<(usize, f64)> {
        let active = |i: usize| batch.samples.get(i).map_or(0, Sample::active) as f64;
        let tokens = |group: &Range<usize>| group.clone().map(active).sum::<f64>();
        let over = |count: f64| if count > 0.0 { 1.0 / count } else { 0.0 };
        let sequences: f64 = groups.iter().map(|g| g.len() as f64).sum();
        let all: f64 = groups.iter().map(tokens).sum();
        let weight = |group: &Range<usize>, i: usize| match self {
            Self::TokenMean => over(all),
            Self::SequenceMean => over(active(i) * sequences),
            Self::GroupMean => over(tokens(group) * groups.len() as f64),
            Self::SequenceSum => over(horizon * sequences),
        };
        let samples = groups.iter().flat_map(|g| g.clone().map(move |i| (g, i)));
        samples.map(|(g, i)| (i, weight(g, i))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_by_hand() {
        let sample = |mask: &[bool]| Sample {
            mask: mask.to_vec(),
            ..Sample::default()
        };
        let batch = ScoredBatch::from_groups([
            vec![sample(&[true]), sample(&[true, false, true, true])],
            vec![sample(&[false])],
        ]);
        let weights = |reduction: LossReduction| reduction.weights(8.0, &batch, &batch.groups);
        assert_eq!(
            weights(LossReduction::TokenMean),
            [(0, 0.25), (1, 0.25), (2, 0.25)]
        );
        let third = 1.0 / 3.0;
        assert_eq!(
            weights(LossReduction::SequenceMean),
            [(0, third), (1, third / 3.0), (2, 0.0)]
        );
        assert_eq!(
            weights(LossReduction::GroupMean),
            [(0, 0.125), (1, 0.125), (2, 0.0)]
        );
        assert_eq!(
            weights(LossReduction::SequenceSum),
            [(0, 1.0 / 24.0), (1, 1.0 / 24.0), (2, 1.0 / 24.0)]
        );
    }
}
