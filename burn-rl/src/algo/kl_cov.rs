//! KL-Cov: the plain surrogate, with a penalty for moving the tokens whose advantage and
//! log-probability vary together most.
//!
//! ```text
//! Cov_it = (A_it − mean(A)) (log π_it − mean(log π))     means over all tokens
//! L = −1/N Σ ρA + β |log π − log π_old| for the share·N tokens of greatest Cov
//! ```
//!
//! [arXiv:2505.22617](https://arxiv.org/abs/2505.22617), section 4, with the absolute log-ratio
//! of the authors' code (<https://github.com/PRIME-RL/Entropy-Mechanism-of-RL>); share 2e-4 and
//! β = 1 are its defaults. There is no clip.

use super::{Algorithm, Settings};
use crate::{
    error::RlError, loss::KlCovLoss, recipe::RecipeBuilder, reduce::LossReduction,
    select::Covariance,
};
use serde::{Deserialize, Serialize};

/// Options of KL-Cov.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KlCov {
    /// Share of all tokens that is penalised, at least one.
    pub cov_share: f64,
    /// Weight of the penalty.
    pub cov_coef: f64,
}

impl Default for KlCov {
    fn default() -> Self {
        Self {
            cov_share: 2e-4,
            cov_coef: 1.0,
        }
    }
}

impl Algorithm for KlCov {
    const NAME: &'static str = "kl_cov";
    const ABOUT: &'static str = "a penalty for moving the tokens of greatest covariance";
    const EQUATION: &'static str = "A = (r − mean)/std; L = −ρA + β|log ρ| at the tokens of greatest covariance; mean over tokens";
    const PAPER: &'static str = "arXiv:2505.22617";

    fn settings(settings: &mut Settings) {
        settings.loss.reduction = LossReduction::TokenMean;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        let recipe = settings.recipe(KlCovLoss {
            coef: self.cov_coef,
        })?;
        Ok(recipe.special_tokens(Covariance::Top {
            share: self.cov_share,
        }))
    }
}
