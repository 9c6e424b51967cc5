//! The policy gradient with clipped log-probabilities.

use super::{LossInput, PolicyLoss, TokenLoss};
use crate::{
    error::RlError,
    range::{between, non_negative},
};

/// `−A · log p`, where `log p` is held at `log p_old + ln(1 + high)` from above if the advantage is
/// positive, and at `log p_old + ln(1 − low)` from below if it is negative: no ratio multiplies the
/// gradient ([arXiv:2505.12504](https://arxiv.org/abs/2505.12504); in the form of the
/// authors' `openrlhf/models/loss.py`, which differs by a constant).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cpg {
    /// How far the ratio may fall below 1.
    pub low: f64,
    /// How far the ratio may rise above 1.
    pub high: f64,
}

/// A lower bound of 1 or more would be the log of nothing.
const BELOW_ONE: f64 = 0.999;

impl PolicyLoss for Cpg {
    fn check(&self) -> Result<(), RlError> {
        between("clip_low", self.low, 0.0, BELOW_ONE)?;
        non_negative("clip_high", self.high)?;
        Ok(())
    }

    fn bounds(&self) -> Option<(f64, f64)> {
        Some((self.low, self.high))
    }

    fn token_loss(&self, x: &LossInput) -> Result<TokenLoss, RlError> {
        let (ceiling, floor) = (self.high.ln_1p(), (-self.low).ln_1p());
        let log_ratio = x.log_ratio()?;
        let advantages = x.advantages();
        let above = log_ratio.clone().greater_elem(ceiling);
        let below = log_ratio.clone().lower_elem(floor);
        let high = above.bool_and(advantages.clone().greater_elem(0.0));
        let low = below.bool_and(advantages.clone().lower_elem(0.0));
        let held = log_ratio
            .clone()
            .mask_fill(high.clone(), ceiling)
            .mask_fill(low.clone(), floor);
        Ok(TokenLoss::new(((x.old_logp()? + held) * advantages).neg())
            .stat("policy/ratio_mean", log_ratio.exp())
            .stat("policy/clip_high", high.float())
            .stat("policy/clip_low", low.float()))
    }
}
