//! Correcting for a sampler whose log-probabilities are not the trainer's.

use crate::loss::LossInput;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// What is done with `w = π_old / π_sampler`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CorrectionMode {
    /// The weight is cut to its bounds.
    #[default]
    Truncate,
    /// Outside its bounds the weight is 0.
    Mask,
}

/// Over what the weight is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CorrectionLevel {
    /// Each token has its own.
    #[default]
    Token,
    /// All tokens of a response share the product of theirs.
    Sequence,
    /// All tokens of a response share the geometric mean of theirs.
    Geometric,
}

/// Importance weights of the policy before the update over the policy that sampled, without
/// gradient; the policy loss is multiplied by them, regularisers are not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RolloutCorrection {
    /// What is done with the weight.
    pub mode: CorrectionMode,
    /// Over what it is taken.
    pub level: CorrectionLevel,
    /// Its lower bound.
    pub low: f64,
    /// Its upper bound.
    pub high: f64,
}

impl RolloutCorrection {
    /// The weight of every token, `[B, R]`; 1 where the sampler's log-probabilities are unknown.
    pub fn weights(&self, x: &LossInput) -> Tensor<2> {
        let Some(sampler) = x.sample_logp.clone() else {
            return x.old_logp.ones_like();
        };
        let log_weight = x.old_logp.clone() - sampler;
        let shape = log_weight.dims();
        let log_weight = match self.level {
            CorrectionLevel::Token => log_weight,
            CorrectionLevel::Sequence => x.row_sum(log_weight).expand(shape),
            CorrectionLevel::Geometric => x.row_mean(log_weight).expand(shape),
        };
        let weight = log_weight.exp();
        match self.mode {
            CorrectionMode::Truncate => weight.clamp(self.low, self.high),
            CorrectionMode::Mask => {
                let below = weight.clone().lower_elem(self.low);
                let outside = below.bool_or(weight.clone().greater_elem(self.high));
                weight.mask_fill(outside, 0.0)
            }
        }
    }
}
