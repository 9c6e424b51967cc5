//! Lite PPO: of all tricks two, the group's mean with the batch's deviation, and a mean over tokens.
//!
//! ```text
//! A_i = (r_i − mean(group)) / std(batch)
//! L = −1/Σ|o_i| Σ_i Σ_t min(ρ_it A_i, clip(ρ_it, 1−ε, 1+ε) A_i)
//! ```
//!
//! [arXiv:2508.08221](https://arxiv.org/abs/2508.08221); the deviation is that of all rewards
//! of the batch. ε is PPO's.

use super::{Algorithm, Clip, Settings};
use crate::{advantage::Scale, error::RlError, recipe::RecipeBuilder, reduce::LossReduction};
use serde::{Deserialize, Serialize};

/// Options of Lite PPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LitePpo {
    /// How far the ratio may move.
    #[serde(flatten)]
    pub clip: Clip,
}

impl Default for LitePpo {
    fn default() -> Self {
        Self {
            clip: Clip::symmetric(0.2).with_dual(),
        }
    }
}

impl Algorithm for LitePpo {
    const NAME: &'static str = "lite_ppo";
    const ABOUT: &'static str = "the group's mean with the batch's deviation, token mean";
    const EQUATION: &'static str =
        "A = (r − mean(group))/std(batch); L = −min(ρA, clip(ρ)A), mean over tokens";
    const PAPER: &'static str = "arXiv:2508.08221";

    fn settings(settings: &mut Settings) {
        settings.advantage.scale = Scale::BatchStd;
        settings.loss.reduction = LossReduction::TokenMean;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(self.clip.ppo())
    }
}
