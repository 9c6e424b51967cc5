//! ReMax: REINFORCE with the reward of the greedy completion as baseline.
//!
//! ```text
//! A_i = r_i − r(greedy)
//! L = −1/B Σ_i A_i Σ_t log π(o_it)
//! ```
//!
//! [arXiv:2310.10505](https://arxiv.org/abs/2310.10505), algorithm 1. It costs one greedy completion a
//! prompt, and one sampled completion is enough.

use super::{Algorithm, Settings};
use crate::{
    advantage::{Baseline, Scale},
    error::RlError,
    loss::Nll,
    recipe::RecipeBuilder,
    reduce::LossReduction,
};
use serde::{Deserialize, Serialize};

/// ReMax has no options of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReMax {}

impl Algorithm for ReMax {
    const NAME: &'static str = "remax";
    const ABOUT: &'static str = "REINFORCE over the greedy completion";
    const EQUATION: &'static str =
        "A = r − r(greedy); L = −A·log π, sum over tokens, mean over sequences";
    const PAPER: &'static str = "arXiv:2310.10505";

    fn settings(settings: &mut Settings) {
        settings.advantage.baseline = Baseline::Greedy;
        settings.advantage.scale = Scale::None;
        settings.loss.reduction = LossReduction::SequenceSum;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(Nll)
    }
}
