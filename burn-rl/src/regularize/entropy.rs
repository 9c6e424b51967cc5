//! Rewarding uncertainty.

use super::Regularizer;
use crate::{
    loss::{LossInput, TokenLoss},
    types::Needs,
};

/// `−c · H(π)` in the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EntropyBonus(pub f64);

impl Regularizer for EntropyBonus {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn token_loss(&self, x: &LossInput) -> TokenLoss {
        TokenLoss {
            loss: x.entropy.clone().mul_scalar(-self.0),
            stats: vec![],
        }
    }
}
