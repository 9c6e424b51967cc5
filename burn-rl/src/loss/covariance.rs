//! Losses that treat tokens of high covariance in a way of their own; which tokens these are is the
//! choice of [`Covariance`](crate::select::Covariance).

use super::{Importance, LossInput, PolicyLoss, PpoClip, TokenLoss};
use crate::{error::RlError, range::non_negative};

/// PPO's clipped surrogate without the chosen tokens
/// ([arXiv:2505.22617](https://arxiv.org/abs/2505.22617), section 4).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClipCovLoss(pub PpoClip);

impl PolicyLoss for ClipCovLoss {
    fn check(&self) -> Result<(), RlError> {
        self.0.check()
    }

    fn bounds(&self) -> Option<(f64, f64)> {
        self.0.bounds()
    }

    fn clips_before_mean(&self) -> bool {
        self.0.clips_before_mean()
    }

    fn token_loss(&self, x: &LossInput) -> Result<TokenLoss, RlError> {
        let mut out = self.0.token_loss(x)?;
        let special_tokens = x.special_tokens()?;
        out.loss = out.loss.mask_fill(special_tokens.clone(), 0.0);
        Ok(out.stat("policy/cov_clipped", special_tokens.float()))
    }
}

/// The plain surrogate, and `coef · |log p − log p_old|` on top for the chosen tokens
/// ([arXiv:2505.22617](https://arxiv.org/abs/2505.22617), section 4).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KlCovLoss {
    /// Weight of the penalty.
    pub coef: f64,
}

impl PolicyLoss for KlCovLoss {
    fn check(&self) -> Result<(), RlError> {
        non_negative("cov_coef", self.coef)?;
        Ok(())
    }

    fn token_loss(&self, x: &LossInput) -> Result<TokenLoss, RlError> {
        let mut out = Importance.token_loss(x)?;
        let special_tokens = x.special_tokens()?;
        let penalty = x.token_log_ratio()?.abs().mul_scalar(self.coef);
        out.loss = out.loss + penalty.mask_fill(special_tokens.clone().bool_not(), 0.0);
        Ok(out.stat("policy/cov_penalised", special_tokens.float()))
    }
}
