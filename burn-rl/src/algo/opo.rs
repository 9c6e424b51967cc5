//! OPO: exactly on policy, with the baseline that minimises the variance of the gradient if its norm
//! grows with the length.
//!
//! ```text
//! A_i = r_i − Σ_j |o_j| r_j / Σ_j |o_j|
//! L = −1/G Σ_i A_i Σ_t log π(o_it)
//! ```
//!
//! [arXiv:2505.23585](https://arxiv.org/abs/2505.23585); neither KL nor entropy
//! bonus. Run it with one update a rollout.

use super::{Algorithm, Settings};
use crate::{
    advantage::{Baseline, Scale},
    error::RlError,
    loss::Nll,
    recipe::RecipeBuilder,
    reduce::LossReduction,
};
use serde::{Deserialize, Serialize};

/// OPO has no options of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Opo {}

impl Algorithm for Opo {
    const NAME: &'static str = "opo";
    const ABOUT: &'static str = "on policy, baseline weighted by length";
    const EQUATION: &'static str =
        "A = r − Σ|o|r/Σ|o|; L = −A·log π, sum over tokens, mean over sequences";
    const PAPER: &'static str = "arXiv:2505.23585";

    fn settings(settings: &mut Settings) {
        settings.advantage.baseline = Baseline::LengthWeighted;
        settings.advantage.scale = Scale::None;
        settings.loss.reduction = LossReduction::SequenceSum;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(Nll)
    }
}
