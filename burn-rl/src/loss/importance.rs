//! The ratio without any clip.

use super::{LossInput, PolicyLoss, TokenLoss};
use crate::types::Needs;

/// `−ρA`
#[derive(Debug, Clone, Copy)]
pub struct Importance;

impl PolicyLoss for Importance {
    fn needs(&self) -> Needs {
        Needs {
            old_logp: true,
            ..Needs::default()
        }
    }

    fn token_loss(&self, x: &LossInput) -> TokenLoss {
        let ratio = x.ratio();
        TokenLoss {
            loss: (ratio.clone() * x.advantages.clone()).neg(),
            stats: vec![("policy/ratio_mean", ratio.inner())],
        }
    }
}
