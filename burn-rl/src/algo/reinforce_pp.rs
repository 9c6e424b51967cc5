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

use super::{Algorithm, Clip, KlPlacement, Settings};
use crate::{
    advantage::{Baseline, Scale, Whiten},
    error::RlError,
    recipe::RecipeBuilder,
    reduce::LossReduction,
    regularize::KlEstimator,
};
use serde::{Deserialize, Serialize};

/// Options of REINFORCE++.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReinforcePp {
    /// How far the ratio may move.
    #[serde(flatten)]
    pub clip: Clip,
}

impl Algorithm for ReinforcePp {
    const NAME: &'static str = "reinforce_pp";
    const ALIASES: &'static [&'static str] = &["reinforce_plus_plus"];
    const ABOUT: &'static str = "no critic: KL in the reward, advantages whitened over the batch";
    const EQUATION: &'static str =
        "A = whiten(r − β·Σ KL to come); L = −min(ρA, clip(ρ)A), mean over tokens";
    const PAPER: &'static str = "arXiv:2501.03262";

    fn settings(settings: &mut Settings) {
        settings.advantage.baseline = Baseline::None;
        settings.advantage.scale = Scale::None;
        settings.advantage.whiten = Whiten::Full;
        settings.kl.beta = 0.01;
        settings.kl.kl = KlEstimator::K1;
        settings.reward.kl_in = KlPlacement::Reward;
        settings.loss.reduction = LossReduction::TokenMean;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(self.clip.ppo())
    }
}
