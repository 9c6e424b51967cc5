//! REINFORCE: the plain policy gradient.
//!
//! ```text
//! L = −1/B Σ_i (r_i − b) Σ_t log π(o_it)
//! ```
//!
//! Williams, 1992, [doi:10.1007/BF00992696](https://doi.org/10.1007/BF00992696), with no baseline;
//! `baseline = "moving_average"` is the classical reinforcement comparison.

use super::{Algorithm, Settings};
use crate::{
    advantage::{Baseline, Scale},
    error::RlError,
    loss::Nll,
    recipe::RecipeBuilder,
    reduce::LossReduction,
};
use serde::{Deserialize, Serialize};

/// REINFORCE has no options of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reinforce {}

impl Algorithm for Reinforce {
    const NAME: &'static str = "reinforce";
    const ALIASES: &'static [&'static str] = &["policy_gradient"];
    const ABOUT: &'static str = "the plain policy gradient";
    const EQUATION: &'static str = "A = r − b; L = −A·log π, sum over tokens, mean over sequences";
    const PAPER: &'static str = "doi:10.1007/BF00992696";

    fn settings(settings: &mut Settings) {
        settings.advantage.baseline = Baseline::None;
        settings.advantage.scale = Scale::None;
        settings.loss.reduction = LossReduction::SequenceSum;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(Nll)
    }
}
