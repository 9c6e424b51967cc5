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

use super::{
    Algorithm, Composition,
    check::{between, non_negative},
};
use crate::{error::RlError, loss::Cpg, recipe::Recipe, reduce::LossReduction};
use serde::{Deserialize, Serialize};

/// A lower bound of 1 or more would be the log of nothing.
const BELOW_ONE: f64 = 0.999;

/// Options of CPGD.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cpgd {
    /// How far the ratio may fall below 1.
    pub clip_low: f64,
    /// How far the ratio may rise above 1.
    pub clip_high: f64,
}

impl Default for Cpgd {
    fn default() -> Self {
        Self {
            clip_low: 0.2,
            clip_high: 0.2,
        }
    }
}

impl Algorithm for Cpgd {
    const NAME: &'static str = "cpgd";
    const ALIASES: &'static [&'static str] = &["cpg"];
    const ABOUT: &'static str = "clipped log-probabilities and policy drift instead of ratios";
    const EQUATION: &'static str = "A = (r − mean)/std; L = −A·clip(log π) + α·min(sg(ρ) − 1, c)·log π, mean over groups of token means";
    const PAPER: &'static str = "arXiv:2505.12504";

    fn composition() -> Composition {
        Composition {
            std_epsilon: 1e-9,
            drift: 0.01,
            drift_cap: 2.0,
            reduction: LossReduction::GroupMean,
            ..Composition::default()
        }
    }

    fn recipe(&self, axes: &Composition) -> Result<Recipe, RlError> {
        axes.recipe(Cpg {
            low: between("clip_low", self.clip_low, 0.0, BELOW_ONE)?,
            high: non_negative("clip_high", self.clip_high)?,
        })
    }
}
