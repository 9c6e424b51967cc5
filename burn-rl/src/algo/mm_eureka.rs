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

use super::{Algorithm, Clip, Settings};
use crate::{error::RlError, loss::PpoClip, recipe::RecipeBuilder};
use serde::{Deserialize, Serialize};

/// Options of MM-Eureka.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MmEureka {
    /// How far the ratio may move.
    #[serde(flatten)]
    pub clip: Clip,
    /// Largest ratio, before anything else; 0 for no limit.
    pub ratio_cap: f64,
}

impl Default for MmEureka {
    fn default() -> Self {
        Self {
            clip: Clip::symmetric(0.2),
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

    fn settings(settings: &mut Settings) {
        settings.advantage.std_epsilon = 1e-9;
        settings.advantage.score_clip = 10.0;
        settings.filter.accuracy_low = 0.1;
        settings.filter.accuracy_high = 0.9;
        settings.filter.refill_rounds = 10;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(PpoClip {
            ratio_cap: Some(self.ratio_cap).filter(|cap| *cap != 0.0),
            ..self.clip.ppo()
        })
    }
}
