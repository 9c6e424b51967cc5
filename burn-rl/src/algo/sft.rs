//! Supervised fine-tuning: the likelihood of the responses that the data demonstrate.
//!
//! ```text
//! L = −1/N Σ log p(token)     over all N response tokens of the batch
//! ```
//!
//! [arXiv:2203.02155](https://arxiv.org/abs/2203.02155), section 3.5.

use super::{Algorithm, Settings, SettingsGroup};
use crate::{
    advantage::Constant, error::RlError, loss::Nll, recipe::RecipeBuilder, reduce::LossReduction,
};
use serde::{Deserialize, Serialize};

/// SFT has no options of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sft {}

impl Algorithm for Sft {
    const NAME: &'static str = "sft";
    const ABOUT: &'static str = "likelihood of demonstrated responses";
    const EQUATION: &'static str = "L = −log π, mean over tokens";
    const PAPER: &'static str = "arXiv:2203.02155";
    const USES: &'static [SettingsGroup] = &[SettingsGroup::Kl, SettingsGroup::Loss];

    fn settings(settings: &mut Settings) {
        settings.loss.reduction = LossReduction::TokenMean;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        Ok(settings.recipe_with(Constant(1.0), Nll)?.demonstrated())
    }
}
