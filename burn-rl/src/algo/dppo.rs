//! DPPO: tokens leave the update by how far their probability moves, not by their ratio.
//!
//! ```text
//! L = −1/Σ|o_i| Σ_i Σ_t M_it ρ_it A_i
//! M = 0 if A > 0, p > p_old and D(p_old, p) > δ_high, or A ≤ 0, p < p_old and D > δ_low; else 1
//! ```
//!
//! [arXiv:2602.04879](https://arxiv.org/abs/2602.04879): D is the total variation or the KL of
//! the chosen token against all others. δ is 0.15 for the first and 0.05 for the second in the
//! authors' scripts (<https://github.com/sail-sg/Stable-RL>), which also cut the ratio at 20 (section
//! 5.4). `ratio_anchor = "sampler"` takes p_old from the sampler, as the paper recommends.

use super::{
    Algorithm, Composition,
    check::{above_zero, non_negative},
};
use crate::{
    error::RlError,
    loss::{self, Divergence},
    recipe::Recipe,
    reduce::LossReduction,
};
use serde::{Deserialize, Serialize};

/// Options of DPPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dppo {
    /// How far two policies are apart.
    pub divergence: Divergence,
    /// Largest divergence where the probability falls and the advantage is not positive.
    pub clip_low: f64,
    /// Largest divergence where the probability rises and the advantage is positive.
    pub clip_high: f64,
    /// Largest ratio.
    pub ratio_cap: f64,
}

impl Default for Dppo {
    fn default() -> Self {
        Self {
            divergence: Divergence::BinaryTv,
            clip_low: 0.15,
            clip_high: 0.15,
            ratio_cap: 20.0,
        }
    }
}

impl Algorithm for Dppo {
    const NAME: &'static str = "dppo";
    const ALIASES: &'static [&'static str] = &["dppo_tv"];
    const ABOUT: &'static str = "a trust region of probabilities instead of ratios";
    const EQUATION: &'static str = "A = (r − mean)/std; L = −M·ρ·A, M = 0 where D(p_old, p) > δ in the direction of A; mean over tokens";
    const PAPER: &'static str = "arXiv:2602.04879";

    fn composition() -> Composition {
        Composition {
            reduction: LossReduction::TokenMean,
            ..Composition::default()
        }
    }

    fn recipe(&self, axes: &Composition) -> Result<Recipe, RlError> {
        axes.recipe(loss::DppoLoss {
            divergence: self.divergence,
            low: non_negative("clip_low", self.clip_low)?,
            high: non_negative("clip_high", self.clip_high)?,
            ratio_cap: above_zero("ratio_cap", self.ratio_cap)?,
        })
    }
}
