//! Which groups are learned from.

mod zero_variance;

pub use zero_variance::{ZeroVariance, is_zero_variance};

use crate::types::Group;

/// What becomes of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is learned from.
    Keep,
    /// It is left out; the reason is what `filter/dropped/<reason>` counts.
    Drop(&'static str),
}

/// Judges groups of rewarded completions.
pub trait Filter: Send + Sync {
    /// Keep or drop, and why.
    fn judge(&self, group: &Group) -> Verdict;
}
