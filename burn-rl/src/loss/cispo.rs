//! Clipped weights instead of clipped tokens.

use super::{LossInput, PolicyLoss, TokenLoss};
use crate::{error::RlError, range::non_negative};

/// `−sg(clip(ρ, 1 − low, 1 + high)) · A · log p`: every token keeps its gradient
/// ([arXiv:2506.13585](https://arxiv.org/abs/2506.13585), equations 4 and 5).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CispoLoss {
    /// How far the weight may fall below 1; 1 for no lower bound.
    pub low: f64,
    /// How far the weight may rise above 1.
    pub high: f64,
}

impl PolicyLoss for CispoLoss {
    fn check(&self) -> Result<(), RlError> {
        non_negative("clip_low", self.low)?;
        non_negative("clip_high", self.high)?;
        Ok(())
    }

    fn bounds(&self) -> Option<(f64, f64)> {
        Some((self.low, self.high))
    }

    fn token_loss(&self, x: &LossInput) -> Result<TokenLoss, RlError> {
        let ratio = x.ratio()?.detach();
        let weight = ratio.clone().clamp(1.0 - self.low, 1.0 + self.high);
        let high = ratio.clone().greater_elem(1.0 + self.high);
        let low = ratio.clone().lower_elem(1.0 - self.low);
        Ok(TokenLoss::new((weight * x.advantages() * x.logp()).neg())
            .stat("policy/ratio_mean", ratio)
            .stat("policy/clip_high", high.float())
            .stat("policy/clip_low", low.float()))
    }
}
