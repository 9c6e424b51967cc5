//! A trust region of probabilities instead of ratios.

use super::{LossInput, PolicyLoss, TokenLoss};
use crate::{
    error::RlError,
    range::{above_zero, non_negative},
};
use serde::{Deserialize, Serialize};

/// Keeps the logarithm of what is left of a probability of 1 finite, as in the authors' code
/// (<https://github.com/sail-sg/Stable-RL>).
const TINY: f64 = 1e-8;

/// How far two policies are apart, from the chosen token against all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Divergence {
    /// Total variation: `|p − p_old|`.
    #[default]
    BinaryTv,
    /// `KL(p_old‖p)` of two outcomes.
    BinaryKl,
}

/// `−min(ρ, cap) · A` with gradient where the token has not left its trust region in the direction
/// the advantage pushes it, and 0 elsewhere
/// ([arXiv:2602.04879](https://arxiv.org/abs/2602.04879)).
///
/// The cap holds the weight, not the gradient: a token beyond it still learns, as with truncated
/// importance sampling (section 5.4).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DppoLoss {
    /// The divergence.
    pub divergence: Divergence,
    /// Largest divergence where the probability falls and the advantage is negative.
    pub low: f64,
    /// Largest divergence where the probability rises and the advantage is positive.
    pub high: f64,
    /// Largest weight.
    pub ratio_cap: f64,
}

impl PolicyLoss for DppoLoss {
    fn check(&self) -> Result<(), RlError> {
        non_negative("clip_low", self.low)?;
        non_negative("clip_high", self.high)?;
        above_zero("ratio_cap", self.ratio_cap)?;
        Ok(())
    }

    fn token_loss(&self, x: &LossInput) -> Result<TokenLoss, RlError> {
        let ratio = x.ratio()?.detach();
        let (logp, old_logp) = (x.logp().detach(), x.old_logp()?);
        let (p, old) = (logp.clone().exp(), old_logp.clone().exp());
        let rise = p.clone() - old.clone();
        let far = match self.divergence {
            Divergence::BinaryTv => rise.clone().abs(),
            Divergence::BinaryKl => {
                let others =
                    (old.clone().neg() + (1.0 + TINY)).log() - (p.neg() + (1.0 + TINY)).log();
                old.clone() * (old_logp - logp) + (old.neg() + 1.0) * others
            }
        };
        let pushed_up = x.advantages().greater_elem(0.0);
        let high = far
            .clone()
            .greater_elem(self.high)
            .bool_and(rise.clone().greater_elem(0.0));
        let low = far.greater_elem(self.low).bool_and(rise.lower_elem(0.0));
        let high = high.bool_and(pushed_up.clone());
        let low = low.bool_and(pushed_up.bool_not());
        let outside = high.clone().bool_or(low.clone());
        // Value 1, gradient of log p.
        let one = (x.logp() - x.logp().detach()).exp();
        let weight = ratio.clone().clamp_max(self.ratio_cap);
        let loss = (weight * one * x.advantages()).neg();
        Ok(TokenLoss::new(loss.mask_fill(outside, 0.0))
            .stat("policy/ratio_mean", ratio)
            .stat("policy/clip_high", high.float())
            .stat("policy/clip_low", low.float()))
    }
}
