//! From one loss a token to one loss: the only place that divides.
//!
//! A reduction is a weight for every sample, computed from counts of the whole optimiser step. The
//! loss is then a plain sum of weighted tokens, so it does not depend on how a batch is split.

use crate::types::ScoredBatch;
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
}

impl LossReduction {
    /// The weight of every token of each sample, for an optimiser step on the given groups.
    ///
    /// A sample without active tokens counts as a sequence of weight zero.
    pub fn weights(self, batch: &ScoredBatch, groups: &[Range<usize>]) -> Vec<(usize, f64)> {
        let samples = || groups.iter().cloned().flatten();
        let active = |i: usize| batch.samples[i].active() as f64;
        let over = |count: f64| if count > 0.0 { 1.0 / count } else { 0.0 };
        match self {
            Self::TokenMean => {
                let tokens: f64 = samples().map(active).sum();
                samples().map(|i| (i, over(tokens))).collect()
            }
            Self::SequenceMean => {
                let sequences = samples().count() as f64;
                samples()
                    .map(|i| (i, over(active(i) * sequences)))
                    .collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Sample;

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
        let weights = |reduction: LossReduction| reduction.weights(&batch, &batch.groups);
        assert_eq!(
            weights(LossReduction::TokenMean),
            [(0, 0.25), (1, 0.25), (2, 0.25)]
        );
        let third = 1.0 / 3.0;
        assert_eq!(
            weights(LossReduction::SequenceMean),
            [(0, third), (1, third / 3.0), (2, 0.0)]
        );
    }
}
