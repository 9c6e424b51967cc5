//! PPO: the clipped surrogate with generalised advantages over a critic.
//!
//! ```text
//! δ_t = r_t + γ V_{t+1} − V_t,  A_t = δ_t + γλ A_{t+1},  R_t = A_t + V_t
//! L = −1/N Σ min(ρ_t A_t, clip(ρ_t, 1−ε, 1+ε) A_t)
//! L_V = 1/N Σ ½ max((V_t − R_t)², (V_old + clip(V_t − V_old, ±ε_V) − R_t)²)
//! ```
//!
//! [arXiv:1707.06347](https://arxiv.org/abs/1707.06347), equations 7, 11 and 12; λ = 0.95 from table 3. The
//! paper is silent on whitened advantages and on the value clip, which the authors' code has
//! (<https://github.com/openai/baselines>, `ppo2`). γ = 1 for responses, as InstructGPT
//! ([arXiv:2203.02155](https://arxiv.org/abs/2203.02155), appendix C.4), which also has the KL in the
//! reward of each token: `beta`, here off.

use super::{Algorithm, Clip, KlPlacement, Settings};
use crate::{
    advantage::{Baseline, Scale, Whiten},
    error::RlError,
    recipe::RecipeBuilder,
    reduce::LossReduction,
    regularize::KlEstimator,
};
use serde::{Deserialize, Serialize};

/// Options of PPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ppo {
    /// How far the ratio may move.
    #[serde(flatten)]
    pub clip: Clip,
}

impl Default for Ppo {
    fn default() -> Self {
        Self {
            clip: Clip::symmetric(0.2).with_dual(),
        }
    }
}

impl Algorithm for Ppo {
    const NAME: &'static str = "ppo";
    const ABOUT: &'static str = "clipped surrogate, generalised advantages over a critic";
    const EQUATION: &'static str = "A = whiten(GAE(γ, λ)); L = −min(ρA, clip(ρ)A), mean over tokens; L_V = ½max((V − R)², (clip(V) − R)²)";
    const PAPER: &'static str = "arXiv:1707.06347";

    fn settings(settings: &mut Settings) {
        settings.advantage.baseline = Baseline::Critic;
        settings.advantage.scale = Scale::None;
        settings.advantage.whiten = Whiten::Full;
        settings.advantage.critic = true;
        settings.kl.kl = KlEstimator::K1;
        settings.reward.kl_in = KlPlacement::Reward;
        settings.loss.reduction = LossReduction::TokenMean;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(self.clip.ppo())
    }
}
