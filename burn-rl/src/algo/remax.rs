//! ReMax: REINFORCE with the reward of the greedy completion as baseline.
//!
//! ```text
//! A_i = r_i − r(greedy)
//! L = −1/B Σ_i A_i Σ_t log π(o_it)
//! ```
//!
//! [arXiv:2310.10505](https://arxiv.org/abs/2310.10505), algorithm 1. It costs one greedy completion a
//! prompt, and one sampled completion is enough.

use super::{Algorithm, Composition};
use crate::{
    advantage::{Baseline, Scale},
    error::RlError,
    loss::Nll,
    recipe::Recipe,
    reduce::LossReduction,
};
use serde::{Deserialize, Serialize};

/// ReMax has no options of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReMax {}

impl Algorithm for ReMax {
    const NAME: &'static str = "remax";
    const ABOUT: &'static str = "REINFORCE over the greedy completion";
    const EQUATION: &'static str =
        "A = r − r(greedy); L = −A·log π, sum over tokens, mean over sequences";
    const PAPER: &'static str = "arXiv:2310.10505";

    fn composition() -> Composition {
        Composition {
            baseline: Baseline::Greedy,
            scale: Scale::None,
            reduction: LossReduction::SequenceSum,
            ..Composition::default()
        }
    }

    fn recipe(&self, axes: &Composition) -> Result<Recipe, RlError> {
        axes.recipe(Nll)
    }
}
