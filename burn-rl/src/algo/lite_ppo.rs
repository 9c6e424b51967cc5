//! Lite PPO: of all tricks two, the group's mean with the batch's deviation, and a mean over tokens.
//!
//! ```text
//! A_i = (r_i − mean(group)) / std(batch)
//! L = −1/Σ|o_i| Σ_i Σ_t min(ρ_it A_i, clip(ρ_it, 1−ε, 1+ε) A_i)
//! ```
//!
//! [arXiv:2508.08221](https://arxiv.org/abs/2508.08221); the deviation is that of all rewards
//! of the batch. ε is PPO's.

use super::{Algorithm, Composition, check::non_negative, composition::positive};
use crate::{
    advantage::Scale, error::RlError, loss::PpoClip, recipe::Recipe, reduce::LossReduction,
};
use serde::{Deserialize, Serialize};

/// Options of Lite PPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LitePpo {
    /// How far the ratio may fall below 1.
    pub clip_low: f64,
    /// How far the ratio may rise above 1.
    pub clip_high: f64,
    /// Where the advantage is negative, the loss ends at this times the advantage; 0 for no end.
    pub dual_clip: f64,
}

impl Default for LitePpo {
    fn default() -> Self {
        Self {
            clip_low: 0.2,
            clip_high: 0.2,
            dual_clip: 0.0,
        }
    }
}

impl Algorithm for LitePpo {
    const NAME: &'static str = "lite_ppo";
    const ABOUT: &'static str = "the group's mean with the batch's deviation, token mean";
    const EQUATION: &'static str =
        "A = (r − mean(group))/std(batch); L = −min(ρA, clip(ρ)A), mean over tokens";
    const PAPER: &'static str = "arXiv:2508.08221";

    fn composition() -> Composition {
        Composition {
            scale: Scale::BatchStd,
            reduction: LossReduction::TokenMean,
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
