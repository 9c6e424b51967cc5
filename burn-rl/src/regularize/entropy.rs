//! Rewarding uncertainty.

use super::Regularizer;
use crate::{
    error::RlError,
    loss::{LossInput, TokenLoss},
    range::finite,
};

/// `−c · H(π)` in the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EntropyBonus(pub f64);

impl Regularizer for EntropyBonus {
    fn check(&self) -> Result<(), RlError> {
        finite("entropy_bonus", self.0)?;
        Ok(())
    }

    fn token_loss(&self, x: &LossInput) -> Result<TokenLoss, RlError> {
        Ok(TokenLoss::new(x.entropy().mul_scalar(-self.0)))
    }
}
