//! Negative log-likelihood, weighted by the advantage.

use super::{LossInput, PolicyLoss, TokenLoss};
use crate::error::RlError;

/// `−A · log p`
#[derive(Debug, Clone, Copy)]
pub struct Nll;

impl PolicyLoss for Nll {
    fn token_loss(&self, x: &LossInput) -> Result<TokenLoss, RlError> {
        Ok(TokenLoss::new((x.logp() * x.advantages()).neg()))
    }
}
