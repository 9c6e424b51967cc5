//! Over what the ratio to the policy before the update is taken.

use serde::{Deserialize, Serialize};

/// Over what a ratio is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RatioLevel {
    /// Each token has its own.
    #[default]
    Token,
    /// All tokens of a response share the geometric mean of theirs, which is the likelihood of
    /// the response to the power 1/length
    /// ([arXiv:2507.18071](https://arxiv.org/abs/2507.18071), equation 7).
    Sequence,
    /// As `Sequence`, but tokens are clipped before the mean is taken
    /// ([arXiv:2507.20673](https://arxiv.org/abs/2507.20673)).
    Geometric,
    /// All tokens of a response share the product of theirs: the ratio of its likelihoods.
    Product,
}

/// Which policy ratios are to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RatioReference {
    /// The policy before the update, by the trainer.
    #[default]
    Old,
    /// The behaviour policy, by the sampler.
    Sampler,
}
