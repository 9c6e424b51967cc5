//! REINFORCE: the plain policy gradient.
//!
//! ```text
//! L = −1/B Σ_i (r_i − b) Σ_t log π(o_it)
//! ```
//!
//! Williams, 1992, [doi:10.1007/BF00992696](https://doi.org/10.1007/BF00992696), with no baseline;
//! `baseline = "moving_average"` is the classical reinforcement comparison.

use super::{Algorithm, Composition};
use crate::{
    advantage::{Baseline, Scale},
    error::RlError,
    loss::Nll,
    recipe::Recipe,
    reduce::LossReduction,
};
use serde::{Deserialize, Serialize};

/// REINFORCE has no options of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reinforce {}

impl Algorithm for Reinforce {
    const NAME: &'static str = "reinforce";
    const ALIASES: &'static [&'static str] = &["policy_gradient"];
    const ABOUT: &'static str = "the plain policy gradient";
    const EQUATION: &'static str = "A = r − b; L = −A·log π, sum over tokens, mean over sequences";
    const PAPER: &'static str = "doi:10.1007/BF00992696";

    fn composition() -> Composition {
        Composition {
            baseline: Baseline::None,
            scale: Scale::None,
            reduction: LossReduction::SequenceSum,
            ..Composition::default()
        }
    }

    fn recipe(&self, axes: &Composition) -> Result<Recipe, RlError> {
        axes.recipe(Nll)
    }
}
