//! The tokens at which the policy hesitates most.

use super::{StepScores, TokenSelector};
use crate::{
    error::RlError,
    range::{above_zero, between},
    types::{Advantages, Needs, ScoredBatch},
};

/// The `share` of all tokens of the step with the greatest entropy, at least one: the forking tokens
/// of [arXiv:2506.01939](https://arxiv.org/abs/2506.01939). All tokens as uncertain as
/// the last one chosen are chosen too.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TopEntropy {
    /// From 0 to 1.
    pub share: f64,
}

impl TokenSelector for TopEntropy {
    fn needs(&self) -> Needs {
        Needs {
            entropy: true,
            ..Needs::default()
        }
    }

    fn check(&self) -> Result<(), RlError> {
        above_zero("entropy_top_share", self.share)?;
        between("entropy_top_share", self.share, 0.0, 1.0)?;
        Ok(())
    }

    fn select(
        &self,
        batch: &ScoredBatch,
        _: &Advantages,
        scores: &StepScores,
    ) -> Result<Vec<Vec<bool>>, RlError> {
        let rows = || scores.samples.iter().zip(&scores.entropy);
        let active = |(i, list): (&usize, &Vec<f32>)| {
            let mask = batch.samples[*i].mask.iter();
            let pairs = list.iter().zip(mask).filter(|(_, m)| **m);
            pairs.map(|(h, _)| *h).collect::<Vec<f32>>()
        };
        let mut all: Vec<f32> = rows().flat_map(active).collect();
        all.sort_by(|a, b| b.total_cmp(a));
        let count = ((self.share * all.len() as f64) as usize).max(1);
        let threshold = all.get(count - 1).copied().unwrap_or(f32::INFINITY);
        let flags = |(i, list): (&usize, &Vec<f32>)| {
            let mask = batch.samples[*i].mask.iter();
            list.iter()
                .zip(mask)
                .map(|(h, m)| *m && *h >= threshold)
                .collect()
        };
        Ok(rows().map(flags).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Sample;

    #[test]
    fn the_most_uncertain_of_the_whole_step() {
        let sample = |mask: &[bool]| Sample {
            mask: mask.to_vec(),
            ..Sample::default()
        };
        let batch =
            ScoredBatch::from_groups([vec![sample(&[true, true, false]), sample(&[true, true])]]);
        let scores = StepScores {
            samples: vec![0, 1],
            logp: vec![],
            entropy: vec![vec![0.1, 2.0, 9.0], vec![1.0, 0.5]],
        };
        let select = |share| {
            let selector = TopEntropy { share };
            selector
                .select(&batch, &Advantages::default(), &scores)
                .unwrap()
        };
        assert_eq!(select(0.5), [vec![false, true, false], vec![true, false]]);
        assert_eq!(select(0.0), [vec![false, true, false], vec![false, false]]);
        assert_eq!(select(1.0), [vec![true, true, false], vec![true, true]]);
    }
}
