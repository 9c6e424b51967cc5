//! A soft gate instead of a clip.

use super::{LossInput, PolicyLoss, TokenLoss};
use crate::{error::RlError, range::above_zero};
use burn::tensor::activation::sigmoid;

/// `−4/τ · σ(τ(ρ − 1)) · A`, with a τ of its own where the advantage is positive
/// ([arXiv:2511.20347](https://arxiv.org/abs/2511.20347)).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SapoLoss {
    /// τ where the advantage is positive.
    pub positive: f64,
    /// τ elsewhere.
    pub negative: f64,
}

impl PolicyLoss for SapoLoss {
    fn check(&self) -> Result<(), RlError> {
        above_zero("tau_positive", self.positive)?;
        above_zero("tau_negative", self.negative)?;
        Ok(())
    }

    fn token_loss(&self, x: &LossInput) -> Result<TokenLoss, RlError> {
        let ratio = x.ratio()?;
        let positive = x.advantages().greater_elem(0.0);
        let tau = x.advantages().full_like(self.negative);
        let tau = tau.mask_fill(positive, self.positive);
        let gate = sigmoid((ratio.clone() - 1.0) * tau.clone()) * tau.recip().mul_scalar(4.0);
        Ok(TokenLoss::new((gate * x.advantages()).neg()).stat("policy/ratio_mean", ratio))
    }
}
