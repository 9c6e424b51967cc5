//! RLOO: REINFORCE with the mean of a prompt's other completions as baseline.
//!
//! ```text
//! R_i = r_i − β log(π_old(o_i)/π_ref(o_i))
//! A_i = R_i − mean(R_j, j ≠ i)
//! L = −1/k Σ_i A_i Σ_t log π(o_it)
//! ```
//!
//! [arXiv:2402.14740](https://arxiv.org/abs/2402.14740); β = 0.03 as on its task TL;DR
//! (appendix C, as TRL's list of papers quotes it). The whole response is one action, so there is
//! neither a token's reward nor a mean over tokens.

use super::{Algorithm, KlPlacement, Settings};
use crate::{
    advantage::{Baseline, Scale},
    error::RlError,
    loss::Nll,
    recipe::RecipeBuilder,
    reduce::LossReduction,
    regularize::KlEstimator,
};
use serde::{Deserialize, Serialize};

/// RLOO has no options of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rloo {}

impl Algorithm for Rloo {
    const NAME: &'static str = "rloo";
    const ABOUT: &'static str = "REINFORCE over the mean of the other completions";
    const EQUATION: &'static str = "A = R − mean of the others, R = r − β·KL; L = −A·log π, sum over tokens, mean over sequences";
    const PAPER: &'static str = "arXiv:2402.14740";

    fn settings(settings: &mut Settings) {
        settings.advantage.baseline = Baseline::LeaveOneOut;
        settings.advantage.scale = Scale::None;
        settings.kl.beta = 0.03;
        settings.kl.kl = KlEstimator::K1;
        settings.reward.kl_in = KlPlacement::Outcome;
        settings.loss.reduction = LossReduction::SequenceSum;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(Nll)
    }
}
