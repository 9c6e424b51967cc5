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

use super::{Algorithm, Clip, Settings};
use crate::{error::RlError, recipe::RecipeBuilder};
use serde::{Deserialize, Serialize};

/// Options of ADORA.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Adora {
    /// How far the ratio may move.
    #[serde(flatten)]
    pub clip: Clip,
}

impl Default for Adora {
    fn default() -> Self {
        Self {
            clip: Clip::symmetric(0.2).with_dual(),
        }
    }
}

impl Algorithm for Adora {
    const NAME: &'static str = "adora";
    const ABOUT: &'static str = "GRPO, groups weighted by whether longer is better";
    const EQUATION: &'static str =
        "A = w·(r − mean)/std, w = 1 if max|right| > mean|wrong| else λ; L as GRPO without KL";
    const PAPER: &'static str = "github.com/ShadeCloak/ADORA";

    fn settings(settings: &mut Settings) {
        settings.advantage.adora_lambda = 0.1;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(self.clip.ppo())
    }
}
