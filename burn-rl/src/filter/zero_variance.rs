//! Groups that teach nothing.

use super::{Filter, Verdict};
use crate::types::Sample;

/// Drops groups whose completions all have the same reward: their advantages are zero, and all
/// they do is make the mean over tokens smaller.
#[derive(Debug, Clone, Copy)]
pub struct ZeroVariance;

impl Filter for ZeroVariance {
    fn verdict(&self, group: &[Sample]) -> Verdict {
        if is_zero_variance(group) {
            Verdict::Drop("zero_variance")
        } else {
            Verdict::Keep
        }
    }
}

/// Whether all completions have the same reward.
pub fn is_zero_variance(group: &[Sample]) -> bool {
    group
        .windows(2)
        .all(|pair| pair[0].reward == pair[1].reward)
}
