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

use super::{Algorithm, Clip, Settings};
use crate::{
    advantage::{Scale, Whiten},
    error::RlError,
    recipe::RecipeBuilder,
    reduce::LossReduction,
    regularize::KlEstimator,
};
use serde::{Deserialize, Serialize};

/// Options of REINFORCE++ with baseline.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReinforcePpBaseline {
    /// How far the ratio may move.
    #[serde(flatten)]
    pub clip: Clip,
}

impl Algorithm for ReinforcePpBaseline {
    const NAME: &'static str = "reinforce_pp_baseline";
    const ALIASES: &'static [&'static str] = &["reinforce_plus_plus_baseline"];
    const ABOUT: &'static str = "the group's mean, whitened over the batch, k2 in the loss";
    const EQUATION: &'static str =
        "A = whiten(r − mean(group)); L = −min(ρA, clip(ρ)A) + β·k2, mean over tokens";
    const PAPER: &'static str = "arXiv:2501.03262";

    fn settings(settings: &mut Settings) {
        settings.advantage.scale = Scale::None;
        settings.advantage.whiten = Whiten::Full;
        settings.kl.beta = 0.001;
        settings.kl.kl = KlEstimator::K2;
        settings.loss.reduction = LossReduction::TokenMean;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(self.clip.ppo())
    }
}
