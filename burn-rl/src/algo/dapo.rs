//! DAPO: GRPO with a higher upper clip, dynamic sampling, a mean over tokens and a soft penalty for
//! overlong responses; no KL.
//!
//! ```text
//! L = −1/Σ|o_i| Σ_i Σ_t min(ρ_it A_i, clip(ρ_it, 1−ε_low, 1+ε_high) A_i)
//! with groups that are neither all right nor all wrong
//! ```
//!
//! [arXiv:2503.14476](https://arxiv.org/abs/2503.14476), equations 8 to 13; ε 0.2 and 0.28, L_max
//! 20480 and a buffer of 4096 tokens from section 4.1. Not in the paper but in the authors' scripts
//! (<https://github.com/BytedTSinghua/DAPO>): at most 10 rollouts an update, and a dual clip, here off.

use super::{Algorithm, Clip, Settings};
use crate::{error::RlError, recipe::RecipeBuilder, reduce::LossReduction};
use serde::{Deserialize, Serialize};

/// Options of DAPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dapo {
    /// How far the ratio may move.
    #[serde(flatten)]
    pub clip: Clip,
}

impl Default for Dapo {
    fn default() -> Self {
        Self {
            clip: Clip::new(0.2, 0.28).with_dual(),
        }
    }
}

impl Algorithm for Dapo {
    const NAME: &'static str = "dapo";
    const ABOUT: &'static str = "clip-higher, dynamic sampling, token mean, soft overlong penalty";
    const EQUATION: &'static str =
        "A = (r − mean)/std; L = −min(ρA, clip(ρ, 1−ε_low, 1+ε_high)A), mean over tokens";
    const PAPER: &'static str = "arXiv:2503.14476";

    fn settings(settings: &mut Settings) {
        settings.reward.overlong_penalty = 1.0;
        settings.reward.overlong_horizon = 20480;
        settings.reward.overlong_buffer = 4096;
        settings.loss.reduction = LossReduction::TokenMean;
        settings.filter.drop_zero_variance = true;
        settings.filter.refill_rounds = 10;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(self.clip.ppo())
    }
}
