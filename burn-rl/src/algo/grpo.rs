//! GRPO: PPO's clipped surrogate, with the group's own mean reward in place of a critic.
//!
//! ```text
//! A_i = (r_i − mean(r)) / std(r)
//! L = −1/G Σ_i 1/|o_i| Σ_t min(ρ_it A_i, clip(ρ_it, 1−ε, 1+ε) A_i) + β KL_k3(π‖π_ref)
//! ```
//!
//! DeepSeekMath, [arXiv:2402.03300](https://arxiv.org/abs/2402.03300), equations 3 and 4;
//! β = 0.04 and one update a rollout from section 4.2. ε is not given there: 0.2 is PPO's.

use super::{Algorithm, non_negative};
use crate::{
    advantage::{GroupNorm, Scale},
    error::RlError,
    filter::ZeroVariance,
    loss::PpoClip,
    recipe::Recipe,
    reduce::LossReduction,
    regularize::{Kl, KlEstimator},
};
use serde::{Deserialize, Serialize};

/// Options of GRPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grpo {
    /// How far the ratio may fall below 1.
    pub clip_low: f64,
    /// How far the ratio may rise above 1.
    pub clip_high: f64,
    /// Weight of the KL to the reference model; at 0 no reference model is built.
    pub beta: f64,
    /// Estimator of the KL.
    pub kl: KlEstimator,
    /// Divisor of the advantage.
    pub scale: Scale,
    /// Added to the standard deviation.
    pub std_epsilon: f64,
    /// How tokens become one number.
    pub reduction: LossReduction,
    /// Whether groups of equal rewards are left out of the update.
    pub drop_zero_variance: bool,
}

impl Default for Grpo {
    fn default() -> Self {
        Self {
            clip_low: 0.2,
            clip_high: 0.2,
            beta: 0.04,
            kl: KlEstimator::K3,
            scale: Scale::GroupStd,
            std_epsilon: 1e-6,
            reduction: LossReduction::SequenceMean,
            drop_zero_variance: false,
        }
    }
}

impl Algorithm for Grpo {
    const NAME: &'static str = "grpo";
    const ABOUT: &'static str = "clipped surrogate, advantages relative to the group";
    const PAPER: &'static str = "arXiv:2402.03300";

    fn recipe(&self) -> Result<Recipe, RlError> {
        let advantage = GroupNorm {
            scale: self.scale,
            epsilon: non_negative("std_epsilon", self.std_epsilon)?,
        };
        let loss = PpoClip {
            low: non_negative("clip_low", self.clip_low)?,
            high: non_negative("clip_high", self.clip_high)?,
        };
        let mut recipe = Recipe::new(advantage, loss, self.reduction);
        if non_negative("beta", self.beta)? > 0.0 {
            recipe = recipe.regularize(Kl {
                estimator: self.kl,
                beta: self.beta,
            });
        }
        Ok(if self.drop_zero_variance {
            recipe.filter(ZeroVariance)
        } else {
            recipe
        })
    }
}
