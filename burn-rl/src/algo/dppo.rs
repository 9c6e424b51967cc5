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

use super::{Algorithm, Clip, Settings};
use crate::{
    error::RlError,
    loss::{Divergence, DppoLoss},
    recipe::RecipeBuilder,
    reduce::LossReduction,
};
use serde::{Deserialize, Serialize};

/// Options of DPPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dppo {
    /// How far two policies are apart.
    pub divergence: Divergence,
    /// Largest divergence where the probability falls and the advantage is not positive, and where it
    /// rises and the advantage is positive.
    #[serde(flatten)]
    pub clip: Clip,
    /// Largest ratio.
    pub ratio_cap: f64,
}

impl Default for Dppo {
    fn default() -> Self {
        Self {
            divergence: Divergence::BinaryTv,
            clip: Clip::symmetric(0.15),
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

    fn settings(settings: &mut Settings) {
        settings.loss.reduction = LossReduction::TokenMean;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(DppoLoss {
            divergence: self.divergence,
            low: self.clip.low,
            high: self.clip.high,
            ratio_cap: self.ratio_cap,
        })
    }
}
