//! Supervised fine-tuning: the likelihood of the responses that the data demonstrate.
//!
//! ```text
//! L = −1/N Σ log p(token)     over all N response tokens of the batch
//! ```
//!
//! [arXiv:2203.02155](https://arxiv.org/abs/2203.02155), section 3.5.

use super::{Algorithm, Composition};
use crate::{
    advantage::Constant, error::RlError, loss::Nll, recipe::Recipe, reduce::LossReduction,
};
use serde::{Deserialize, Serialize};

/// SFT has no options of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sft {}

impl Algorithm for Sft {
    const NAME: &'static str = "sft";
    const ABOUT: &'static str = "likelihood of demonstrated responses";
    const EQUATION: &'static str = "L = −log π, mean over tokens";
    const PAPER: &'static str = "arXiv:2203.02155";
    const WITHOUT: &'static [&'static str] = &[
        "outcome_weight",
        "length_reward",
        "reward_clip",
        "overlong_penalty",
        "overlong_horizon",
        "overlong_buffer",
        "baseline",
        "baseline_decay",
        "scale",
        "std_ddof",
        "std_epsilon",
        "adora_lambda",
        "adora_success_above",
        "adora_max_tokens",
        "adora_without_success",
        "adora_without_failure",
        "clip_filter_cap",
        "score_clip",
        "gamma",
        "lambda",
        "whiten",
        "whiten_ddof",
        "critic",
        "value_clip",
        "ratio_level",
        "ratio_anchor",
        "correction",
        "correction_level",
        "correction_low",
        "correction_high",
        "kl_in",
        "drop_zero_variance",
        "truncated",
        "accuracy_low",
        "accuracy_high",
        "accuracy_part",
        "filter_after",
        "refill_rounds",
        "refill_leftovers",
    ];

    fn composition() -> Composition {
        Composition {
            reduction: LossReduction::TokenMean,
            ..Composition::default()
        }
    }

    fn recipe(&self, axes: &Composition) -> Result<Recipe, RlError> {
        Ok(axes.recipe_with(Constant(1.0), Nll)?.demonstrated())
    }
}
