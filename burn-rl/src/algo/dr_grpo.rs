//! Dr. GRPO: GRPO without its two biases, the division by the standard deviation and by the length.
//!
//! ```text
//! A_i = r_i − mean(r)
//! L = −1/G Σ_i 1/H Σ_t min(ρ_it A_i, clip(ρ_it, 1−ε, 1+ε) A_i)
//! ```
//!
//! [arXiv:2503.20783](https://arxiv.org/abs/2503.20783), figure 1, without a KL.
//! The equation has H = 1; the authors' listing 1 divides by a constant, the longest response, which
//! is `horizon`.

use super::{Algorithm, Clip, Settings};
use crate::{advantage::Scale, error::RlError, recipe::RecipeBuilder, reduce::LossReduction};
use serde::{Deserialize, Serialize};

/// Options of Dr. GRPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrGrpo {
    /// How far the ratio may move.
    #[serde(flatten)]
    pub clip: Clip,
}

impl Default for DrGrpo {
    fn default() -> Self {
        Self {
            clip: Clip::symmetric(0.2).with_dual(),
        }
    }
}

impl Algorithm for DrGrpo {
    const NAME: &'static str = "dr_grpo";
    const ALIASES: &'static [&'static str] = &["grpo_done_right"];
    const ABOUT: &'static str = "GRPO without division by deviation and by length";
    const EQUATION: &'static str =
        "A = r − mean; L = −min(ρA, clip(ρ)A), sum over tokens / H, mean over sequences";
    const PAPER: &'static str = "arXiv:2503.20783";

    fn settings(settings: &mut Settings) {
        settings.advantage.scale = Scale::None;
        settings.loss.reduction = LossReduction::SequenceSum;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(self.clip.ppo())
    }
}
