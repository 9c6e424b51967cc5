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

use super::{
    Algorithm, Composition,
    check::{above_zero, between, non_negative},
};
use crate::{
    error::RlError,
    loss::{self, PpoClip},
    recipe::Recipe,
    reduce::LossReduction,
    select::Covariance,
};
use serde::{Deserialize, Serialize};

/// Options of Clip-Cov.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClipCov {
    /// How far the ratio may fall below 1.
    pub clip_low: f64,
    /// How far the ratio may rise above 1.
    pub clip_high: f64,
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
            clip_low: 0.2,
            clip_high: 0.2,
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

    fn composition() -> Composition {
        Composition {
            reduction: LossReduction::TokenMean,
            ..Composition::default()
        }
    }

    fn recipe(&self, axes: &Composition) -> Result<Recipe, RlError> {
        let (clip_low, clip_high) = (
            non_negative("clip_low", self.clip_low)?,
            non_negative("clip_high", self.clip_high)?,
        );
        let mut recipe = axes.recipe(loss::ClipCovLoss(PpoClip {
            low: clip_low,
            high: clip_high,
            ..PpoClip::default()
        }))?;
        above_zero("cov_share", self.cov_share)?;
        recipe.special_tokens = Some(Box::new(Covariance::Band {
            share: between("cov_share", self.cov_share, 0.0, 1.0)?,
            low: between("cov_low", self.cov_low, f64::MIN, self.cov_high)?,
            high: between("cov_high", self.cov_high, self.cov_low, f64::MAX)?,
            clip_low,
            clip_high,
        }));
        Ok(recipe)
    }
}
