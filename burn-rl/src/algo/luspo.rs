//! LUSPO: GSPO with each response weighted by its length, so that short ones are not preferred.
//!
//! ```text
//! L = −1/G Σ_i |o_i| min(s_i A_i, clip(s_i, 1−ε_low, 1+ε_high) A_i)
//! ```
//!
//! [arXiv:2602.05261](https://arxiv.org/abs/2602.05261); ε 2e-3 and 2.5e-3 from section
//! 5.1. A sum over tokens instead of GSPO's mean is that weight.

use super::{Algorithm, Composition, check::non_negative};
use crate::{
    error::RlError,
    loss::{PpoClip, RatioLevel},
    recipe::Recipe,
    reduce::LossReduction,
};
use serde::{Deserialize, Serialize};

/// Options of LUSPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Luspo {
    /// How far the ratio may fall below 1.
    pub clip_low: f64,
    /// How far the ratio may rise above 1.
    pub clip_high: f64,
}

impl Default for Luspo {
    fn default() -> Self {
        Self {
            clip_low: 2e-3,
            clip_high: 2.5e-3,
        }
    }
}

impl Algorithm for Luspo {
    const NAME: &'static str = "luspo";
    const ABOUT: &'static str = "GSPO weighted by length";
    const EQUATION: &'static str =
        "A = (r − mean)/std; s = exp(mean log ρ); L = −|o|·min(sA, clip(s)A), mean over sequences";
    const PAPER: &'static str = "arXiv:2602.05261";

    fn composition() -> Composition {
        Composition {
            ratio_level: RatioLevel::Sequence,
            reduction: LossReduction::SequenceSum,
            ..Composition::default()
        }
    }

    fn recipe(&self, axes: &Composition) -> Result<Recipe, RlError> {
        axes.recipe(PpoClip {
            low: non_negative("clip_low", self.clip_low)?,
            high: non_negative("clip_high", self.clip_high)?,
            ..PpoClip::default()
        })
    }
}
