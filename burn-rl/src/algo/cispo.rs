//! CISPO: the importance weight is clipped instead of the token, so every token keeps its gradient.
//!
//! ```text
//! L = −1/Σ|o_i| Σ_i Σ_t sg(clip(ρ_it, 1−ε_low, 1+ε_high)) A_i log π(o_it)
//! ```
//!
//! MiniMax-M1, [arXiv:2506.13585](https://arxiv.org/abs/2506.13585), equations 4 and 5, without a
//! lower bound and without a KL. The paper does not give ε_high; a weight of at most 5
//! is ScaleRL's choice ([arXiv:2510.13786](https://arxiv.org/abs/2510.13786)).

use super::{Algorithm, Clip, Settings};
use crate::{error::RlError, loss::CispoLoss, recipe::RecipeBuilder, reduce::LossReduction};
use serde::{Deserialize, Serialize};

/// Options of CISPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cispo {
    /// How far the weight may move; a lower bound of 1 is none.
    #[serde(flatten)]
    pub clip: Clip,
}

impl Default for Cispo {
    fn default() -> Self {
        Self {
            clip: Clip::new(1.0, 4.0),
        }
    }
}

impl Algorithm for Cispo {
    const NAME: &'static str = "cispo";
    const ABOUT: &'static str = "clipped importance weights; every token keeps its gradient";
    const EQUATION: &'static str = "A = (r − mean)/std; L = −sg(clip(ρ))·A·log π, mean over tokens";
    const PAPER: &'static str = "arXiv:2506.13585";

    fn settings(settings: &mut Settings) {
        settings.loss.reduction = LossReduction::TokenMean;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(CispoLoss {
            low: self.clip.low,
            high: self.clip.high,
        })
    }
}
