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

use super::{
    Algorithm, Composition,
    check::{above_zero, between, non_negative},
};
use crate::{error::RlError, loss, recipe::Recipe, reduce::LossReduction, select::Covariance};
use serde::{Deserialize, Serialize};

/// Options of KL-Cov.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
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

    fn composition() -> Composition {
        Composition {
            reduction: LossReduction::TokenMean,
            ..Composition::default()
        }
    }

    fn recipe(&self, axes: &Composition) -> Result<Recipe, RlError> {
        let mut recipe = axes.recipe(loss::KlCovLoss {
            coef: non_negative("cov_coef", self.cov_coef)?,
        })?;
        above_zero("cov_share", self.cov_share)?;
        recipe.special_tokens = Some(Box::new(Covariance::Top {
            share: between("cov_share", self.cov_share, 0.0, 1.0)?,
        }));
        Ok(recipe)
    }
}
