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

use super::{Algorithm, Clip, Settings};
use crate::{error::RlError, loss::RatioLevel, recipe::RecipeBuilder};
use serde::{Deserialize, Serialize};

/// Options of GSPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gspo {
    /// How far the ratio may move.
    #[serde(flatten)]
    pub clip: Clip,
}

impl Default for Gspo {
    fn default() -> Self {
        Self {
            clip: Clip::new(3e-4, 4e-4),
        }
    }
}

impl Algorithm for Gspo {
    const NAME: &'static str = "gspo";
    const ABOUT: &'static str = "one ratio a response: the geometric mean over its tokens";
    const EQUATION: &'static str =
        "A = (r − mean)/std; s = exp(mean log ρ); L = −min(sA, clip(s)A), mean over sequences";
    const PAPER: &'static str = "arXiv:2507.18071";

    fn settings(settings: &mut Settings) {
        settings.ratio.ratio_level = RatioLevel::Sequence;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(self.clip.ppo())
    }
}
