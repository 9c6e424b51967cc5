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

use super::{Algorithm, Composition};
use crate::{
    advantage::{Baseline, Scale},
    error::RlError,
    loss::Nll,
    recipe::Recipe,
    reduce::LossReduction,
};
use serde::{Deserialize, Serialize};

/// OPO has no options of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Opo {}

impl Algorithm for Opo {
    const NAME: &'static str = "opo";
    const ABOUT: &'static str = "on policy, baseline weighted by length";
    const EQUATION: &'static str =
        "A = r − Σ|o|r/Σ|o|; L = −A·log π, sum over tokens, mean over sequences";
    const PAPER: &'static str = "arXiv:2505.23585";

    fn composition() -> Composition {
        Composition {
            baseline: Baseline::LengthWeighted,
            scale: Scale::None,
            reduction: LossReduction::SequenceSum,
            ..Composition::default()
        }
    }

    fn recipe(&self, axes: &Composition) -> Result<Recipe, RlError> {
        axes.recipe(Nll)
    }
}
