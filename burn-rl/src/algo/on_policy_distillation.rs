//! On-policy distillation: each token of the policy's own responses is graded by a teacher.
//!
//! ```text
//! A_t = −β (log π_old(o_t) − log π_teacher(o_t))
//! L = −1/N Σ ρ_t A_t
//! ```
//!
//! The reverse KL of [arXiv:2306.13649](https://arxiv.org/abs/2306.13649) from one sample, as in
//! <https://thinkingmachines.ai/blog/on-policy-distillation>: no discount reaches later tokens (γ = 0),
//! and the task's own reward counts for nothing (`outcome_weight`). The teacher is the reference model.

use super::{Algorithm, KlPlacement, Settings};
use crate::{
    advantage::{Baseline, Scale},
    error::RlError,
    loss::Importance,
    recipe::RecipeBuilder,
    reduce::LossReduction,
    regularize::KlEstimator,
};
use serde::{Deserialize, Serialize};

/// On-policy distillation has no options of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OnPolicyDistillation {}

impl Algorithm for OnPolicyDistillation {
    const NAME: &'static str = "on_policy_distillation";
    const ALIASES: &'static [&'static str] = &["opd", "distillation"];
    const ABOUT: &'static str = "a teacher grades each token of the policy's own responses";
    const EQUATION: &'static str = "A = −β·(log π_old − log π_teacher); L = −ρA, mean over tokens";
    const PAPER: &'static str = "arXiv:2306.13649";

    fn settings(settings: &mut Settings) {
        settings.reward.outcome_weight = 0.0;
        settings.advantage.baseline = Baseline::None;
        settings.advantage.scale = Scale::None;
        settings.advantage.gamma = 0.0;
        settings.kl.beta = 1.0;
        settings.kl.kl = KlEstimator::K1;
        settings.reward.kl_in = KlPlacement::Reward;
        settings.loss.reduction = LossReduction::TokenMean;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(Importance)
    }
}
