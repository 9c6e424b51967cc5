//! CISPO: the importance weight is clipped instead of the token, so every token keeps its gradient.
//!
//! ```text
//! L = −1/Σ|o_i| Σ_i Σ_t sg(clip(ρ_it, 1−ε_low, 1+ε_high)) A_i log π(o_it)
//! ```
//!
//! MiniMax-M1, [arXiv:2506.13585](https://arxiv.org/abs/2506.13585), equations 4 and 5, without a
//! lower bound and without a KL. The paper does not give ε_high; a weight of at most 5
//! is ScaleRL's choice ([arXiv:2510.13786](https://arxiv.org/abs/2510.13786)).

use super::{Algorithm, Composition, check::non_negative};
use crate::{error::RlError, loss, recipe::Recipe, reduce::LossReduction};
use serde::{Deserialize, Serialize};

/// Options of CISPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cispo {
    /// How far the weight may fall below 1; 1 for no lower bound.
    pub clip_low: f64,
    /// How far the weight may rise above 1.
    pub clip_high: f64,
}

impl Default for Cispo {
    fn default() -> Self {
        Self {
            clip_low: 1.0,
            clip_high: 4.0,
        }
    }
}

impl Algorithm for Cispo {
    const NAME: &'static str = "cispo";
    const ABOUT: &'static str = "clipped importance weights; every token keeps its gradient";
    const EQUATION: &'static str = "A = (r − mean)/std; L = −sg(clip(ρ))·A·log π, mean over tokens";
    const PAPER: &'static str = "arXiv:2506.13585";

    fn composition() -> Composition {
        Composition {
            reduction: LossReduction::TokenMean,
            ..Composition::default()
        }
    }

    fn recipe(&self, axes: &Composition) -> Result<Recipe, RlError> {
        axes.recipe(loss::CispoLoss {
            low: non_negative("clip_low", self.clip_low)?,
            high: non_negative("clip_high", self.clip_high)?,
        })
    }
}
