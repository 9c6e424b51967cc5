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

use super::{Algorithm, Clip, Settings};
use crate::{error::RlError, recipe::RecipeBuilder};
use serde::{Deserialize, Serialize};

/// Options of GRPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grpo {
    /// How far the ratio may move.
    #[serde(flatten)]
    pub clip: Clip,
}

impl Default for Grpo {
    fn default() -> Self {
        Self {
            clip: Clip::symmetric(0.2).with_dual(),
        }
    }
}

impl Algorithm for Grpo {
    const NAME: &'static str = "grpo";
    const ABOUT: &'static str = "clipped surrogate, advantages relative to the group";
    const EQUATION: &'static str =
        "A = (r − mean)/std; L = −min(ρA, clip(ρ)A) + β·k3, mean over sequences of token means";
    const PAPER: &'static str = "arXiv:2402.03300";

    fn settings(settings: &mut Settings) {
        settings.kl.beta = 0.04;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(self.clip.ppo())
    }
}
