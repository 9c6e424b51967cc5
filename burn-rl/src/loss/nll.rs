//! Negative log-likelihood, weighted by the advantage.

use super::{LossInput, PolicyLoss, TokenLoss};
use crate::types::Needs;

/// `−A · log p`
#[derive(Debug, Clone, Copy)]
pub struct Nll;

impl PolicyLoss for Nll {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn token_loss(&self, x: &LossInput) -> TokenLoss {
        TokenLoss {
            loss: (x.logp.clone() * x.advantages.clone()).neg(),
            stats: vec![],
        }
    }
}
