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

use super::{Algorithm, Composition, KlPlacement, check::non_negative, composition::positive};
use crate::{
    advantage::{Baseline, Scale, Whiten},
    error::RlError,
    loss::PpoClip,
    recipe::Recipe,
    reduce::LossReduction,
    regularize::KlEstimator,
};
use serde::{Deserialize, Serialize};

/// Options of PPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ppo {
    /// How far the ratio may fall below 1.
    pub clip_low: f64,
    /// How far the ratio may rise above 1.
    pub clip_high: f64,
    /// Where the advantage is negative, the loss ends at this times the advantage; 0 for no end.
    pub dual_clip: f64,
}

impl Default for Ppo {
    fn default() -> Self {
        Self {
            clip_low: 0.2,
            clip_high: 0.2,
            dual_clip: 0.0,
        }
    }
}

impl Algorithm for Ppo {
    const NAME: &'static str = "ppo";
    const ABOUT: &'static str = "clipped surrogate, generalised advantages over a critic";
    const EQUATION: &'static str = "A = whiten(GAE(γ, λ)); L = −min(ρA, clip(ρ)A), mean over tokens; L_V = ½max((V − R)², (clip(V) − R)²)";
    const PAPER: &'static str = "arXiv:1707.06347";

    fn composition() -> Composition {
        Composition {
            baseline: Baseline::Critic,
            scale: Scale::None,
            whiten: Whiten::Full,
            critic: true,
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
            dual: positive(non_negative("dual_clip", self.dual_clip)?),
            ratio_cap: None,
        })
    }
}
