//! GSPO: GRPO with one ratio for a whole response.
//!
//! ```text
//! s_i = (π(o_i)/π_old(o_i))^(1/|o_i|)
//! L = −1/G Σ_i min(s_i A_i, clip(s_i, 1−ε_low, 1+ε_high) A_i)
//! ```
//!
//! [arXiv:2507.18071](https://arxiv.org/abs/2507.18071), equations 5 to 7, with the gradient of
//! GSPO-token (equations 13 and 14), which is the same for one advantage a response; ε 3e-4 and 4e-4
//! from section 5.1. The paper has no KL.

use super::{Algorithm, Composition, check::non_negative};
use crate::{
    error::RlError,
    loss::{PpoClip, RatioLevel},
    recipe::Recipe,
};
use serde::{Deserialize, Serialize};

/// Options of GSPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gspo {
    /// How far the ratio may fall below 1.
    pub clip_low: f64,
    /// How far the ratio may rise above 1.
    pub clip_high: f64,
}

impl Default for Gspo {
    fn default() -> Self {
        Self {
            clip_low: 3e-4,
            clip_high: 4e-4,
        }
    }
}

impl Algorithm for Gspo {
    const NAME: &'static str = "gspo";
    const ABOUT: &'static str = "one ratio a response: the geometric mean over its tokens";
    const EQUATION: &'static str =
        "A = (r − mean)/std; s = exp(mean log ρ); L = −min(sA, clip(s)A), mean over sequences";
    const PAPER: &'static str = "arXiv:2507.18071";

    fn composition() -> Composition {
        Composition {
            ratio_level: RatioLevel::Sequence,
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
