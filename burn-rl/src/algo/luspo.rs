//! LUSPO: GSPO with each response weighted by its length, so that short ones are not preferred.
//!
//! ```text
//! L = −1/G Σ_i |o_i| min(s_i A_i, clip(s_i, 1−ε_low, 1+ε_high) A_i)
//! ```
//!
//! [arXiv:2602.05261](https://arxiv.org/abs/2602.05261); ε 2e-3 and 2.5e-3 from section
//! 5.1. A sum over tokens instead of GSPO's mean is that weight.

use super::{Algorithm, Clip, Settings};
use crate::{error::RlError, loss::RatioLevel, recipe::RecipeBuilder, reduce::LossReduction};
use serde::{Deserialize, Serialize};

/// Options of LUSPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Luspo {
    /// How far the ratio may move.
    #[serde(flatten)]
    pub clip: Clip,
}

impl Default for Luspo {
    fn default() -> Self {
        Self {
            clip: Clip::new(2e-3, 2.5e-3),
        }
    }
}

impl Algorithm for Luspo {
    const NAME: &'static str = "luspo";
    const ABOUT: &'static str = "GSPO weighted by length";
    const EQUATION: &'static str =
        "A = (r − mean)/std; s = exp(mean log ρ); L = −|o|·min(sA, clip(s)A), mean over sequences";
    const PAPER: &'static str = "arXiv:2602.05261";

    fn settings(settings: &mut Settings) {
        settings.ratio.ratio_level = RatioLevel::Sequence;
        settings.loss.reduction = LossReduction::SequenceSum;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(self.clip.ppo())
    }
}
