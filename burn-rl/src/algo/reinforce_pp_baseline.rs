//! REINFORCE++ with baseline: the group's mean is subtracted before advantages are whitened over the
//! batch, and the KL goes into the loss.
//!
//! ```text
//! A_i = (r_i − mean(group)), whitened over all tokens of the batch
//! L = −1/N Σ min(ρ_t A_t, clip(ρ_t, 1−ε, 1+ε) A_t) + β KL_k2(π‖π_ref)
//! ```
//!
//! [arXiv:2501.03262](https://arxiv.org/abs/2501.03262); k2 because its gradient is that of the
//! KL. β = 0.001 and ε = 0.2 from the authors' scripts (<https://github.com/OpenRLHF/OpenRLHF>).

use super::{Algorithm, Composition, check::non_negative};
use crate::{
    advantage::{Scale, Whiten},
    error::RlError,
    loss::PpoClip,
    recipe::Recipe,
    reduce::LossReduction,
    regularize::KlEstimator,
};
use serde::{Deserialize, Serialize};

/// Options of REINFORCE++ with baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReinforcePpBaseline {
    /// How far the ratio may fall below 1.
    pub clip_low: f64,
    /// How far the ratio may rise above 1.
    pub clip_high: f64,
}

impl Default for ReinforcePpBaseline {
    fn default() -> Self {
        Self {
            clip_low: 0.2,
            clip_high: 0.2,
        }
    }
}

impl Algorithm for ReinforcePpBaseline {
    const NAME: &'static str = "reinforce_pp_baseline";
    const ALIASES: &'static [&'static str] = &["reinforce_plus_plus_baseline"];
    const ABOUT: &'static str = "the group's mean, whitened over the batch, k2 in the loss";
    const EQUATION: &'static str =
        "A = whiten(r − mean(group)); L = −min(ρA, clip(ρ)A) + β·k2, mean over tokens";
    const PAPER: &'static str = "arXiv:2501.03262";

    fn composition() -> Composition {
        Composition {
            scale: Scale::None,
            whiten: Whiten::Full,
            beta: 0.001,
            kl: KlEstimator::K2,
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
