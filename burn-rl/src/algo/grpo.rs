//! GRPO: PPO's clipped surrogate, with the group's own mean reward in place of a critic.
//!
//! ```text
//! A_i = (r_i − mean(r)) / std(r)
//! L = −1/G Σ_i 1/|o_i| Σ_t min(ρ_it A_i, clip(ρ_it, 1−ε, 1+ε) A_i) + β KL_k3(π‖π_ref)
//! ```
//!
//! DeepSeekMath, [arXiv:2402.03300](https://arxiv.org/abs/2402.03300), equations 3 and 4;
//! β = 0.04 and one update a rollout from section 4.2. ε is not given there: 0.2 is PPO's. Nor is the
//! divisor of the standard deviation: n − 1, as all implementations have it.

use super::{Algorithm, Composition, check::non_negative, composition::positive};
use crate::{error::RlError, loss::PpoClip, recipe::Recipe};
use serde::{Deserialize, Serialize};

/// Options of GRPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grpo {
    /// How far the ratio may fall below 1.
    pub clip_low: f64,
    /// How far the ratio may rise above 1.
    pub clip_high: f64,
    /// Where the advantage is negative, the loss ends at this times the advantage; 0 for no end.
    pub dual_clip: f64,
}

impl Default for Grpo {
    fn default() -> Self {
        Self {
            clip_low: 0.2,
            clip_high: 0.2,
            dual_clip: 0.0,
        }
    }
}

impl Algorithm for Grpo {
    const NAME: &'static str = "grpo";
    const ABOUT: &'static str = "clipped surrogate, advantages relative to the group";
    const EQUATION: &'static str =
        "A = (r − mean)/std; L = −min(ρA, clip(ρ)A) + β·k3, mean over sequences of token means";
    const PAPER: &'static str = "arXiv:2402.03300";

    fn composition() -> Composition {
        Composition {
            beta: 0.04,
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
