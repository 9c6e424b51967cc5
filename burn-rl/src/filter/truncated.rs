//! Responses that were cut at the length limit.

use super::{Filter, Verdict};
use crate::types::Sample;
use serde::{Deserialize, Serialize};

/// What becomes of a response that was cut: its reward says nothing of what it would have become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truncated {
    /// It is like any other.
    #[default]
    Keep,
    /// Its tokens have no loss ([arXiv:2503.14476](https://arxiv.org/abs/2503.14476), section 3.4).
    Mask,
    /// Its whole group is left out.
    Drop,
}

impl Filter for Truncated {
    fn verdict(&self, group: &[Sample]) -> Verdict {
        let cut = group.iter().enumerate().filter(|(_, s)| s.truncated);
        let cut: Vec<usize> = cut.map(|(index, _)| index).collect();
        match self {
            _ if cut.is_empty() => Verdict::Keep,
            Self::Keep => Verdict::Keep,
            Self::Mask => Verdict::Mask("truncated", cut),
            Self::Drop => Verdict::Drop("truncated"),
        }
    }
}
