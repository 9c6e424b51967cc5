//! Supervised fine-tuning: the likelihood of the responses that the data demonstrate.
//!
//! ```text
//! L = −1/N Σ log p(token)     over all N response tokens of the batch
//! ```

use super::Algorithm;
use crate::{
    advantage::Constant, error::RlError, loss::Nll, recipe::Recipe, reduce::LossReduction,
};
use serde::{Deserialize, Serialize};

/// Options of SFT.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sft {
    /// How tokens become one number.
    pub reduction: LossReduction,
}

impl Default for Sft {
    fn default() -> Self {
        Self {
            reduction: LossReduction::TokenMean,
        }
    }
}

impl Algorithm for Sft {
    const NAME: &'static str = "sft";
    const ABOUT: &'static str = "likelihood of demonstrated responses";
    const PAPER: &'static str = "InstructGPT, arXiv:2203.02155, section 3.5";

    fn recipe(&self) -> Result<Recipe, RlError> {
        Ok(Recipe::new(Constant(1.0), Nll, self.reduction).demonstrated())
    }
}
