//! Every token is worth the same: demonstrations.

use super::AdvantageEstimator;
use crate::{
    shape::Rewards,
    types::{Advantages, Needs, ScoredBatch},
};

/// `A = value`
#[derive(Debug, Clone, Copy)]
pub struct Constant(pub f64);

impl AdvantageEstimator for Constant {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn estimate(&self, batch: &ScoredBatch, _: &Rewards) -> Advantages {
        Advantages::per_sample(batch, std::iter::repeat(self.0))
    }
}
