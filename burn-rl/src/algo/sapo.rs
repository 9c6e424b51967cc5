//! SAPO: a smooth gate around ratio 1 instead of a hard clip.
//!
//! ```text
//! f(ρ) = 4/τ σ(τ(ρ − 1)),  τ = τ_pos if A > 0 else τ_neg
//! L = −1/G Σ_i 1/|o_i| Σ_t f(ρ_it) A_i
//! ```
//!
//! [arXiv:2511.20347](https://arxiv.org/abs/2511.20347); τ 1.0 and 1.05 are the
//! paper's. The factor 4/τ makes the gradient at ρ = 1 that of the plain ratio.

use super::{Algorithm, Settings};
use crate::{error::RlError, loss::SapoLoss, recipe::RecipeBuilder};
use serde::{Deserialize, Serialize};

/// Options of SAPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sapo {
    /// Steepness of the gate where the advantage is positive.
    pub tau_positive: f64,
    /// Steepness of the gate elsewhere.
    pub tau_negative: f64,
}

impl Default for Sapo {
    fn default() -> Self {
        Self {
            tau_positive: 1.0,
            tau_negative: 1.05,
        }
    }
}

impl Algorithm for Sapo {
    const NAME: &'static str = "sapo";
    const ABOUT: &'static str = "a soft gate around ratio 1 instead of a clip";
    const EQUATION: &'static str =
        "A = (r − mean)/std; L = −4/τ·σ(τ(ρ − 1))·A, mean over sequences of token means";
    const PAPER: &'static str = "arXiv:2511.20347";

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(SapoLoss {
            positive: self.tau_positive,
            negative: self.tau_negative,
        })
    }
}
