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

use super::{Algorithm, Composition, check::non_negative, composition::positive};
use crate::{
    advantage::Scale, error::RlError, loss::PpoClip, recipe::Recipe, reduce::LossReduction,
};
use serde::{Deserialize, Serialize};

/// Options of Dr. GRPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DrGrpo {
    /// How far the ratio may fall below 1.
    pub clip_low: f64,
    /// How far the ratio may rise above 1.
    pub clip_high: f64,
    /// Where the advantage is negative, the loss ends at this times the advantage; 0 for no end.
    pub dual_clip: f64,
}

impl Default for DrGrpo {
    fn default() -> Self {
        Self {
            clip_low: 0.2,
            clip_high: 0.2,
            dual_clip: 0.0,
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

    fn composition() -> Composition {
        Composition {
            scale: Scale::None,
            reduction: LossReduction::SequenceSum,
            ..Composition::default()
        }
    }

    fn recipe(&self, axes: &Composition) -> Result<Recipe, RlError> {
        axes.recipe(PpoClip {
            low: non_negative("clip_low", self.clip_low)?,
            high: non_negative("clip_high", self.clip_high)?,
            dual: positive(non_negative("dual_clip", self.dual_clip)?),
            ratio_cap: None,
        })
    }
}
