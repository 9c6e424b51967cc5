//! Clip-Cov: GRPO without a few tokens, drawn from those whose advantage and log-probability vary
//! together most, because these are what makes entropy fall.
//!
//! ```text
//! Cov_it = (A_it − mean(A)) (log π_it − mean(log π))     means over all tokens
//! L = −1/N Σ min(ρA, clip(ρ)A), 0 for share·N random tokens with ω_low < Cov < ω_high
//! ```
//!
//! [arXiv:2505.22617](https://arxiv.org/abs/2505.22617), section 4; share 2e-4 and ω 1 and 5 from the
//! authors' code. Tokens that are clipped anyway are not drawn, as there
//! (<https://github.com/PRIME-RL/Entropy-Mechanism-of-RL>). Which tokens are drawn is a function of
//! their log-probabilities.

use super::{Algorithm, Clip, Settings};
use crate::{
    error::RlError, loss::ClipCovLoss, recipe::RecipeBuilder, reduce::LossReduction,
    select::Covariance,
};
use serde::{Deserialize, Serialize};

/// Options of Clip-Cov.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClipCov {
    /// How far the ratio may move.
    #[serde(flatten)]
    pub clip: Clip,
    /// Share of all tokens that is drawn, at least one.
    pub cov_share: f64,
    /// Lower bound of the covariance of drawn tokens.
    pub cov_low: f64,
    /// Upper bound of the covariance of drawn tokens.
    pub cov_high: f64,
}

impl Default for ClipCov {
    fn default() -> Self {
        Self {
            clip: Clip::symmetric(0.2),
            cov_share: 2e-4,
            cov_low: 1.0,
            cov_high: 5.0,
        }
    }
}

impl Algorithm for ClipCov {
    const NAME: &'static str = "clip_cov";
    const ABOUT: &'static str = "GRPO without some tokens of high covariance";
    const EQUATION: &'static str = "A = (r − mean)/std; L = −min(ρA, clip(ρ)A), 0 at tokens drawn by covariance; mean over tokens";
    const PAPER: &'static str = "arXiv:2505.22617";

    fn settings(settings: &mut Settings) {
        settings.loss.reduction = LossReduction::TokenMean;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        let recipe = settings.recipe(ClipCovLoss(self.clip.ppo()))?;
        Ok(recipe.special_tokens(Covariance::Band {
            share: self.cov_share,
            low: self.cov_low,
            high: self.cov_high,
            clip_low: self.clip.low,
            clip_high: self.clip.high,
        }))
    }
}
