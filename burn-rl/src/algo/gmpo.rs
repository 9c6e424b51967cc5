//! GMPO: the geometric mean of the clipped ratios of a response's tokens.
//!
//! ```text
//! L = −1/G Σ_i exp(1/|o_i| Σ_t m(log ρ_it)) A_i
//! m(l) = min(l, ε_high) if A_i > 0, max(l, −ε_low) if A_i < 0
//! ```
//!
//! [arXiv:2507.20673](https://arxiv.org/abs/2507.20673), with its range (e^−0.4, e^0.4) and the log-ratios
//! of the authors' code (<https://github.com/callsys/GMPO>). It differs from GSPO in that tokens are clipped before the mean.

use super::{Algorithm, Composition, check::non_negative};
use crate::{
    error::RlError,
    loss::{PpoClip, RatioLevel},
    recipe::Recipe,
};
use serde::{Deserialize, Serialize};

/// Options of GMPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gmpo {
    /// How far the log-ratio of a token may fall below 0.
    pub clip_low: f64,
    /// How far the log-ratio of a token may rise above 0.
    pub clip_high: f64,
}

impl Default for Gmpo {
    fn default() -> Self {
        Self {
            clip_low: 0.4,
            clip_high: 0.4,
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

    fn composition() -> Composition {
        Composition {
            ratio_level: RatioLevel::Geometric,
            ..Composition::default()
        }
    }

    fn recipe(&self, axes: &Composition) -> Result<Recipe, RlError> {
        axes.recipe(PpoClip {
            low: non_negative("clip_low", self.clip_low)?,
            high: non_negative("clip_high", self.clip_high)?,
            ..PpoClip::default()
        })
    }
}
