//! A soft gate instead of a clip.

use super::{LossInput, PolicyLoss, TokenLoss};
use crate::types::Needs;
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
    fn needs(&self) -> Needs {
        Needs {
            old_logp: true,
            ..Needs::default()
        }
    }

    fn token_loss(&self, x: &LossInput) -> TokenLoss {
        let ratio = x.ratio();
        let positive = x.advantages.clone().greater_elem(0.0);
        let tau = x.advantages.full_like(self.negative);
        let tau = tau.mask_fill(positive, self.positive);
        let gate = sigmoid((ratio.clone() - 1.0) * tau.clone()) * tau.recip().mul_scalar(4.0);
        TokenLoss {
            loss: (gate * x.advantages.clone()).neg(),
            stats: vec![("policy/ratio_mean", ratio.inner())],
        }
    }
}
