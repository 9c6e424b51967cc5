//! Which groups are learned from.

mod accuracy;
mod batch;
mod truncated;
mod zero_variance;

pub use accuracy::AccuracyBand;
pub use batch::{FilledBatch, GroupBuffer, RefillCount, ShortBatch};
pub use truncated::Truncated;
pub use zero_variance::{ZeroVariance, is_zero_variance};

use crate::{
    error::RlError,
    types::{RunFacts, Sample},
};

/// What becomes of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is learned from.
    Keep,
    /// It is left out; the reason is what `filter/dropped/<reason>` counts.
    Drop(&'static str),
    /// The completions at these indices take no part in the loss, but are still compared with the
    /// others; the reason is what `filter/masked/<reason>` counts.
    Mask(&'static str, Vec<usize>),
}

impl Verdict {
    /// Whether the group, or some of it, is learned from.
    pub fn keeps(&self) -> bool {
        !matches!(self, Self::Drop(_))
    }
}

/// Judges groups of rewarded completions.
pub trait Filter: Send + Sync {
    /// Refuses options that make no sense.
    ///
    /// # Errors
    /// The option, what was found and what was expected.
    fn check(&self) -> Result<(), RlError> {
        Ok(())
    }

    /// Refuses a run in which the filter makes no sense.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    fn check_run(&self, _run: &RunFacts) -> Result<(), RlError> {
        Ok(())
    }

    /// Keep, mask or drop, and why. `group` has all completions of one prompt.
    fn verdict(&self, group: &[Sample]) -> Verdict;
}
