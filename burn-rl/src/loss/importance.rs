//! The ratio without any clip.

use super::{LossInput, PolicyLoss, TokenLoss};
use crate::error::RlError;

/// `−ρA`
#[derive(Debug, Clone, Copy)]
pub struct Importance;

impl PolicyLoss for Importance {
    fn token_loss(&self, x: &LossInput) -> Result<TokenLoss, RlError> {
        let ratio = x.ratio()?;
        Ok(TokenLoss::new((ratio.clone() * x.advantages()).neg()).stat("policy/ratio_mean", ratio))
    }
}
