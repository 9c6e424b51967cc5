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

use super::{Algorithm, Composition, check::non_negative, composition::positive};
use crate::{error::RlError, loss::PpoClip, recipe::Recipe, reduce::LossReduction};
use serde::{Deserialize, Serialize};

/// Options of DAPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dapo {
    /// How far the ratio may fall below 1.
    pub clip_low: f64,
    /// How far the ratio may rise above 1.
    pub clip_high: f64,
    /// Where the advantage is negative, the loss ends at this times the advantage; 0 for no end.
    pub dual_clip: f64,
}

impl Default for Dapo {
    fn default() -> Self {
        Self {
            clip_low: 0.2,
            clip_high: 0.28,
            dual_clip: 0.0,
        }
    }
}

impl Algorithm for Dapo {
    const NAME: &'static str = "dapo";
    const ABOUT: &'static str = "clip-higher, dynamic sampling, token mean, soft overlong penalty";
    const EQUATION: &'static str =
        "A = (r − mean)/std; L = −min(ρA, clip(ρ, 1−ε_low, 1+ε_high)A), mean over tokens";
    const PAPER: &'static str = "arXiv:2503.14476";

    fn composition() -> Composition {
        Composition {
            overlong_penalty: 1.0,
            overlong_horizon: 20480,
            overlong_buffer: 4096,
            reduction: LossReduction::TokenMean,
            drop_zero_variance: true,
            refill_rounds: 10,
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
