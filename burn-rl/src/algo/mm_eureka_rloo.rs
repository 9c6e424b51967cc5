//! MM-Eureka on InternVL: leave-one-out scores, whitened, in PPO's clipped surrogate; no KL.
//!
//! ```text
//! s_i = clamp(r_i − mean(r_j, j ≠ i), ±10)
//! A = (s − mean(s)) / std(s)      over all tokens of the batch
//! L = −1/B Σ_i 1/|o_i| Σ_t min(ρ_it A_i, clip(ρ_it, 1−ε, 1+ε) A_i)
//! ```
//!
//! [arXiv:2503.07365](https://arxiv.org/abs/2503.07365), first version, section 3, and
//! <https://github.com/ModalMinds/MM-EUREKA>, branch `internvl`, `experience_maker.py` and
//! `replay_buffer.py`. It differs from RLOO in the clip, the whitening and the mean over tokens.

use super::{Algorithm, Composition, check::non_negative};
use crate::{
    advantage::{Baseline, Scale, Whiten},
    error::RlError,
    loss::PpoClip,
    recipe::Recipe,
};
use serde::{Deserialize, Serialize};

/// Options of MM-Eureka with leave-one-out scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MmEurekaRloo {
    /// How far the ratio may fall below 1.
    pub clip_low: f64,
    /// How far the ratio may rise above 1.
    pub clip_high: f64,
}

impl Default for MmEurekaRloo {
    fn default() -> Self {
        Self {
            clip_low: 0.2,
            clip_high: 0.2,
        }
    }
}

impl Algorithm for MmEurekaRloo {
    const NAME: &'static str = "mm_eureka_rloo";
    const ALIASES: &'static [&'static str] = &["mm_eureka_internvl"];
    const ABOUT: &'static str = "leave-one-out scores, whitened, clipped surrogate";
    const EQUATION: &'static str = "s = clamp(r − mean of the others, ±10); A = whiten(s); L = −min(ρA, clip(ρ)A), mean over sequences of token means";
    const PAPER: &'static str = "arXiv:2503.07365";

    fn composition() -> Composition {
        Composition {
            baseline: Baseline::LeaveOneOut,
            scale: Scale::None,
            score_clip: 10.0,
            whiten: Whiten::Full,
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
