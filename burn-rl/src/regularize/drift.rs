//! Staying near the policy before the update.

use super::Regularizer;
use crate::{
    error::RlError,
    loss::{LossInput, TokenLoss},
    range::non_negative,
};

/// `α · min(sg(ρ) − 1, c) · log π` with the ratio of each token: its gradient is that of the forward
/// KL's k3 estimator, cut where the ratio explodes
/// ([arXiv:2505.12504](https://arxiv.org/abs/2505.12504)).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PolicyDrift {
    /// α
    pub coef: f64,
    /// c: the ratio counts up to 1 + c.
    pub cap: f64,
}

impl Regularizer for PolicyDrift {
    fn check(&self) -> Result<(), RlError> {
        non_negative("drift", self.coef)?;
        non_negative("drift_cap", self.cap)?;
        Ok(())
    }

    fn token_loss(&self, x: &LossInput) -> Result<TokenLoss, RlError> {
        let excess = x.token_log_ratio()?.detach().exp().sub_scalar(1.0);
        let excess = excess.clamp_max(self.cap);
        Ok(
            TokenLoss::new((excess.clone() * x.logp()).mul_scalar(self.coef))
                .stat("policy/drift", excess),
        )
    }
}
