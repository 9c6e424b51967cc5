//! ADORA: GRPO in which a group counts fully only if some right answer is longer than wrong ones are
//! on average.
//!
//! ```text
//! w = 1 if max |right| > mean |wrong, not cut| else λ
//! A_i = w (r_i − mean(r)) / std(r)
//! L = −1/G Σ_i 1/|o_i| Σ_t min(ρ_it A_i, clip(ρ_it, 1−ε, 1+ε) A_i)
//! ```
//!
//! <https://github.com/ShadeCloak/ADORA>, `core_algos.py`; λ = 0.1 as in the authors' and MM-Eureka's code.
//! The program for pictures leaves a group without a right answer at 1 and gives one without a wrong
//! one λ; that for texts has it the other way round: `adora_without_success` and `adora_without_failure`.
//! The weight is a decorator: every algorithm has it as `adora_lambda`.

use super::{Algorithm, Composition, check::non_negative, composition::positive};
use crate::{error::RlError, loss::PpoClip, recipe::Recipe};
use serde::{Deserialize, Serialize};

/// Options of ADORA.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Adora {
    /// How far the ratio may fall below 1.
    pub clip_low: f64,
    /// How far the ratio may rise above 1.
    pub clip_high: f64,
    /// Where the advantage is negative, the loss ends at this times the advantage; 0 for no end.
    pub dual_clip: f64,
}

impl Default for Adora {
    fn default() -> Self {
        Self {
            clip_low: 0.2,
            clip_high: 0.2,
            dual_clip: 0.0,
        }
    }
}

impl Algorithm for Adora {
    const NAME: &'static str = "adora";
    const ABOUT: &'static str = "GRPO, groups weighted by whether longer is better";
    const EQUATION: &'static str =
        "A = w·(r − mean)/std, w = 1 if max|right| > mean|wrong| else λ; L as GRPO without KL";
    const PAPER: &'static str = "github.com/ShadeCloak/ADORA";

    fn composition() -> Composition {
        Composition {
            adora_lambda: 0.1,
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
