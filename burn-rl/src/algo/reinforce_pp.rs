//! REINFORCE++: PPO's surrogate without a critic; the KL is a reward of each token, and advantages are
//! whitened over the whole batch.
//!
//! ```text
//! A_t = r − β Σ_{i≥t} log(π_old(o_i)/π_ref(o_i))
//! A ← (A − mean(A)) / std(A)      over all tokens of the batch
//! L = −1/N Σ min(ρ_t A_t, clip(ρ_t, 1−ε, 1+ε) A_t)
//! ```
//!
//! [arXiv:2501.03262](https://arxiv.org/abs/2501.03262); β = 0.01 and ε = 0.2 from the authors'
//! code (<https://github.com/OpenRLHF/OpenRLHF>). One completion a prompt is enough.

use super::{Algorithm, Composition, KlPlacement, check::non_negative};
use crate::{
    advantage::{Baseline, Scale, Whiten},
    error::RlError,
    loss::PpoClip,
    recipe::Recipe,
    reduce::LossReduction,
    regularize::KlEstimator,
};
use serde::{Deserialize, Serialize};

/// Options of REINFORCE++.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReinforcePp {
    /// How far the ratio may fall below 1.
    pub clip_low: f64,
    /// How far the ratio may rise above 1.
    pub clip_high: f64,
}

impl Default for ReinforcePp {
    fn default() -> Self {
        Self {
            clip_low: 0.2,
            clip_high: 0.2,
        }
    }
}

impl Algorithm for ReinforcePp {
    const NAME: &'static str = "reinforce_pp";
    const ALIASES: &'static [&'static str] = &["reinforce_plus_plus"];
    const ABOUT: &'static str = "no critic: KL in the reward, advantages whitened over the batch";
    const EQUATION: &'static str =
        "A = whiten(r − β·Σ KL to come); L = −min(ρA, clip(ρ)A), mean over tokens";
    const PAPER: &'static str = "arXiv:2501.03262";

    fn composition() -> Composition {
        Composition {
            baseline: Baseline::None,
            scale: Scale::None,
            whiten: Whiten::Full,
            beta: 0.01,
            kl: KlEstimator::K1,
            kl_in: KlPlacement::Reward,
            reduction: LossReduction::TokenMean,
            ..Composition::default()
        }
    }

    fn recipe(&self, axes: &Composition) -> Result<Recipe, RlError> {
        axes.recipe(PpoClip {
            low: non_negative("clip_low", self.clip_low)?,
            high: non_negative("clip_high", self.clip_high)?,
            ..PpoClip::default()
        })
    }
}
