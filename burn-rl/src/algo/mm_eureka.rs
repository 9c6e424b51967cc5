//! MM-Eureka on Qwen: GRPO without a KL, with the ratio capped at 3 and groups kept by their accuracy.
//!
//! ```text
//! A_i = clamp((r_i − mean(r)) / std(r), ±10)
//! ρ' = min(ρ, 3);  L = −1/G Σ_i 1/|o_i| Σ_t min(ρ'_it A_i, clip(ρ'_it, 1−ε, 1+ε) A_i)
//! ```
//!
//! [arXiv:2503.07365](https://arxiv.org/abs/2503.07365), section 4.3, and
//! <https://github.com/ModalMinds/MM-EUREKA>, `openrlhf/models/loss.py` and `train_mm_eureka_qwen_7b`:
//! ε = 0.2, accuracy of a kept group from 0.1 to 0.9, sampling on until the update is full, the surplus
//! thrown away. The cap takes the gradient too, for both signs of the advantage, unlike a dual clip.

use super::{Algorithm, Composition, check::non_negative, composition::positive};
use crate::{error::RlError, loss::PpoClip, recipe::Recipe};
use serde::{Deserialize, Serialize};

/// Options of MM-Eureka.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MmEureka {
    /// How far the ratio may fall below 1.
    pub clip_low: f64,
    /// How far the ratio may rise above 1.
    pub clip_high: f64,
    /// Largest ratio, before anything else; 0 for no limit.
    pub ratio_cap: f64,
}

impl Default for MmEureka {
    fn default() -> Self {
        Self {
            clip_low: 0.2,
            clip_high: 0.2,
            ratio_cap: 3.0,
        }
    }
}

impl Algorithm for MmEureka {
    const NAME: &'static str = "mm_eureka";
    const ALIASES: &'static [&'static str] = &["mm_eureka_grpo", "mm_eureka_qwen"];
    const ABOUT: &'static str = "GRPO with a capped ratio, no KL, groups kept by accuracy";
    const EQUATION: &'static str = "A = clamp((r − mean)/std, ±10); ρ′ = min(ρ, 3); L = −min(ρ′A, clip(ρ′)A), mean over sequences of token means";
    const PAPER: &'static str = "arXiv:2503.07365";

    fn composition() -> Composition {
        Composition {
            std_epsilon: 1e-9,
            score_clip: 10.0,
            accuracy_low: 0.1,
            accuracy_high: 0.9,
            refill_rounds: 10,
            ..Composition::default()
        }
    }

    fn recipe(&self, axes: &Composition) -> Result<Recipe, RlError> {
        axes.recipe(PpoClip {
            low: non_negative("clip_low", self.clip_low)?,
            high: non_negative("clip_high", self.clip_high)?,
            dual: None,
            ratio_cap: positive(non_negative("ratio_cap", self.ratio_cap)?),
        })
    }
}
