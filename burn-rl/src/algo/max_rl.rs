//! MaxRL: the score over the group's mean, which follows the gradient of the log of the pass rate.
//!
//! ```text
//! A_i = (r_i − mean(r)) / mean(r), 0 where mean(r) = 0
//! L = −1/G Σ_i A_i Σ_t log π(o_it)
//! ```
//!
//! [arXiv:2602.02710](https://arxiv.org/abs/2602.02710), algorithm 1: hard prompts weigh the inverse of
//! their pass rate.

use super::{Algorithm, Settings};
use crate::{
    advantage::Scale, error::RlError, loss::Nll, recipe::RecipeBuilder, reduce::LossReduction,
};
use serde::{Deserialize, Serialize};

/// MaxRL has no options of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MaxRl {}

impl Algorithm for MaxRl {
    const NAME: &'static str = "max_rl";
    const ABOUT: &'static str = "the policy gradient over the group's mean: maximum likelihood";
    const EQUATION: &'static str =
        "A = (r − mean)/mean; L = −A·log π, sum over tokens, mean over sequences";
    const PAPER: &'static str = "arXiv:2602.02710";

    fn settings(settings: &mut Settings) {
        settings.advantage.scale = Scale::GroupMean;
        settings.advantage.std_epsilon = 0.0;
        settings.loss.reduction = LossReduction::SequenceSum;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(Nll)
    }
}
