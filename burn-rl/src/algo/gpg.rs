//! GPG: the plain policy gradient on groups, made up for groups that teach nothing.
//!
//! ```text
//! A_i = α (r_i − mean(r)),  α = B / (B − M) with M of B samples in groups of equal rewards
//! L = −1/Σ|o_i| Σ_i Σ_t A_i log π(o_it)
//! ```
//!
//! [arXiv:2504.02546](https://arxiv.org/abs/2504.02546), equation 7 for α, F_norm = 1. The authors sample
//! on where α would exceed 2 (`min_inverse_alpha` of <https://github.com/AMAP-ML/GPG>); here
//! `clip_filter_cap` bounds it, by default far beyond any batch.

use super::{Algorithm, Settings};
use crate::{
    advantage::Scale, error::RlError, loss::Nll, recipe::RecipeBuilder, reduce::LossReduction,
};
use serde::{Deserialize, Serialize};

/// GPG has no options of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Gpg {}

impl Algorithm for Gpg {
    const NAME: &'static str = "gpg";
    const ABOUT: &'static str = "the policy gradient, made up for groups of equal rewards";
    const EQUATION: &'static str = "A = B/(B − M)·(r − mean); L = −A·log π, mean over tokens";
    const PAPER: &'static str = "arXiv:2504.02546";

    fn settings(settings: &mut Settings) {
        settings.advantage.scale = Scale::None;
        settings.advantage.clip_filter_cap = 1e9;
        settings.loss.reduction = LossReduction::TokenMean;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(Nll)
    }
}
