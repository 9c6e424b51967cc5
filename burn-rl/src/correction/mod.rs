//! Correcting for a sampler whose log-probabilities are not the trainer's.

use crate::{error::RlError, loss::LossInput, range::non_negative};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// What is done with `w = π_old / π_behaviour`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Correction {
    /// Nothing: the loss is not corrected.
    #[default]
    None,
    /// The weight is cut to its bounds.
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

/// Importance weights of the policy before the update over the behaviour policy, without gradient;
/// the policy loss is multiplied by them, regularisers are not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RolloutCorrection {
    /// Whether importance weights of the old policy over the sampler multiply the loss.
    #[serde(rename = "correction")]
    pub mode: Correction,
    /// Over what these weights are taken.
    #[serde(rename = "correction_level")]
    pub level: CorrectionLevel,
    /// Their lower bound.
    #[serde(rename = "correction_low")]
    pub low: f64,
    /// Their upper bound.
    #[serde(rename = "correction_high")]
    pub high: f64,
}

impl Default for RolloutCorrection {
    fn default() -> Self {
        Self {
            mode: Correction::None,
            level: CorrectionLevel::Token,
            low: 0.0,
            high: 2.0,
        }
    }
}

impl RolloutCorrection {
    /// Refuses bounds that make no sense.
    ///
    /// # Errors
    /// The option, what was found and what was expected.
    pub fn check(&self) -> Result<(), RlError> {
        non_negative("correction_low", self.low)?;
        non_negative("correction_high", self.high)?;
        match self.low > self.high {
            true => Err(RlError::Config(format!(
                "algo.correction_low is {}, expected at most algo.correction_high, which is {}",
                self.low, self.high
            ))),
            false => Ok(()),
        }
    }

    /// The weight of every token, `[B, R]`.
    ///
    /// # Errors
    /// [`RlError::NotProvided`].
    pub fn weights(&self, x: &LossInput) -> Result<Tensor<2>, RlError> {
        let log_weight = x.old_logp()? - x.behaviour_logp()?;
        let shape = log_weight.dims();
        let log_weight = match self.level {
            CorrectionLevel::Token => log_weight,
            CorrectionLevel::Sequence => x.row_sum(log_weight).expand(shape),
            CorrectionLevel::Geometric => x.row_mean(log_weight).expand(shape),
        };
        let weight = log_weight.exp();
        Ok(match self.mode {
            Correction::None => weight.ones_like(),
            Correction::Truncate => weight.clamp(self.low, self.high),
            Correction::Mask => {
                let below = weight.clone().lower_elem(self.low);
                let outside = below.bool_or(weight.clone().greater_elem(self.high));
                weight.mask_fill(outside, 0.0)
            }
        })
    }
}
