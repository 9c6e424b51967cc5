//! CPGD: the policy gradient with clipped log-probabilities and a price for drifting away.
//!
//! ```text
//! Φ_it = min(A_i log π, A_i clip(log π, log π_old + ln(1−ε), log π_old + ln(1+ε)))
//! E_it = min(sg(ρ_it) − 1, c) log π
//! L = −1/D Σ_x 1/Σ_k|y_k| Σ_k Σ_t (Φ − αE)      a token mean in each prompt's group, over prompts
//! ```
//!
//! [arXiv:2505.12504](https://arxiv.org/abs/2505.12504), ω(x) = 1/std. α = 0.01, ε = 0.2
//! and c = 2 from the authors' scripts and defaults (<https://github.com/ModalMinds/MM-EUREKA>), whose
//! code takes a token mean over each micro-batch instead. Their other ω: `scale = "none"` for 1, with
//! `clip_filter_cap = 3` for the clip-filter-like weight.

use super::{Algorithm, Clip, Settings};
use crate::{error::RlError, loss::Cpg, recipe::RecipeBuilder, reduce::LossReduction};
use serde::{Deserialize, Serialize};

/// Options of CPGD.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cpgd {
    /// How far the ratio may move.
    #[serde(flatten)]
    pub clip: Clip,
}

impl Algorithm for Cpgd {
    const NAME: &'static str = "cpgd";
    const ALIASES: &'static [&'static str] = &["cpg"];
    const ABOUT: &'static str = "clipped log-probabilities and policy drift instead of ratios";
    const EQUATION: &'static str = "A = (r − mean)/std; L = −A·clip(log π) + α·min(sg(ρ) − 1, c)·log π, mean over groups of token means";
    const PAPER: &'static str = "arXiv:2505.12504";

    fn settings(settings: &mut Settings) {
        settings.advantage.std_epsilon = 1e-9;
        settings.kl.drift = 0.01;
        settings.kl.drift_cap = 2.0;
        settings.loss.reduction = LossReduction::GroupMean;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(Cpg {
            low: self.clip.low,
            high: self.clip.high,
        })
    }
}
