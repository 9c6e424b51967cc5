//! GMPO: the geometric mean of the clipped ratios of a response's tokens.
//!
//! ```text
//! L = −1/G Σ_i exp(1/|o_i| Σ_t m(log ρ_it)) A_i
//! m(l) = min(l, ε_high) if A_i > 0, max(l, −ε_low) if A_i < 0
//! ```
//!
//! [arXiv:2507.20673](https://arxiv.org/abs/2507.20673), with its range (e^−0.4, e^0.4) and the log-ratios
//! of the authors' code (<https://github.com/callsys/GMPO>). It differs from GSPO in that tokens are clipped before the mean.

use super::{Algorithm, Clip, Settings};
use crate::{error::RlError, loss::RatioLevel, recipe::RecipeBuilder};
use serde::{Deserialize, Serialize};

/// Options of GMPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gmpo {
    /// How far the log-ratio of a token may move from 0.
    #[serde(flatten)]
    pub clip: Clip,
}

impl Default for Gmpo {
    fn default() -> Self {
        Self {
            clip: Clip::symmetric(0.4),
        }
    }
}

impl Algorithm for Gmpo {
    const NAME: &'static str = "gmpo";
    const ALIASES: &'static [&'static str] = &["geo_mean"];
    const ABOUT: &'static str = "geometric mean of ratios clipped token by token";
    const EQUATION: &'static str =
        "A = (r − mean)/std; L = −exp(mean clip(log ρ))·A, mean over sequences";
    const PAPER: &'static str = "arXiv:2507.20673";

    fn settings(settings: &mut Settings) {
        settings.ratio.ratio_level = RatioLevel::Geometric;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(self.clip.ppo())
    }
}
