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

use super::{Algorithm, Clip, Settings};
use crate::{
    advantage::{Baseline, Scale, Whiten},
    error::RlError,
    recipe::RecipeBuilder,
};
use serde::{Deserialize, Serialize};

/// Options of MM-Eureka with leave-one-out scores.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MmEurekaRloo {
    /// How far the ratio may move.
    #[serde(flatten)]
    pub clip: Clip,
}

impl Algorithm for MmEurekaRloo {
    const NAME: &'static str = "mm_eureka_rloo";
    const ALIASES: &'static [&'static str] = &["mm_eureka_internvl"];
    const ABOUT: &'static str = "leave-one-out scores, whitened, clipped surrogate";
    const EQUATION: &'static str = "s = clamp(r − mean of the others, ±10); A = whiten(s); L = −min(ρA, clip(ρ)A), mean over sequences of token means";
    const PAPER: &'static str = "arXiv:2503.07365";

    fn settings(settings: &mut Settings) {
        settings.advantage.baseline = Baseline::LeaveOneOut;
        settings.advantage.scale = Scale::None;
        settings.advantage.score_clip = 10.0;
        settings.advantage.whiten = Whiten::Full;
    }

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(self.clip.ppo())
    }
}
