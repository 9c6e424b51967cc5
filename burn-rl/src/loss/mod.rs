//! Per-token losses on `[B, R]` tensors: ordinary Burn code, differentiated by Burn.

mod nll;
mod ppo_clip;

pub use nll::Nll;
pub use ppo_clip::PpoClip;

use crate::types::Needs;
use burn::tensor::{Bool, Tensor};

/// What a loss may read. Tensors are `[B, R]`; only `logp` and `entropy` have gradients.
#[derive(Debug, Clone)]
pub struct LossInput {
    /// Log-probability of each token under the current policy.
    pub logp: Tensor<2>,
    /// Entropy of the distribution each token was drawn from, in nats.
    pub entropy: Tensor<2>,
    /// Log-probability under the policy before the update.
    pub old_logp: Tensor<2>,
    /// Log-probability under the reference model, if some part needs it.
    pub ref_logp: Option<Tensor<2>>,
    /// Advantages.
    pub advantages: Tensor<2>,
    /// True where a token takes part.
    pub mask: Tensor<2, Bool>,
}

/// A loss for every token, neither masked nor reduced, and what to log beside it.
#[derive(Debug, Clone)]
pub struct TokenLoss {
    /// `[B, R]`
    pub loss: Tensor<2>,
    /// Numbers a token whose masked mean is logged, by metric name: `[B, R]` without gradient.
    pub stats: Vec<(&'static str, Tensor<2>)>,
}

/// What is minimised.
pub trait PolicyLoss: Send + Sync {
    /// What the loss reads beside log-probabilities and advantages.
    fn needs(&self) -> Needs;

    /// The loss of every token.
    fn token_loss(&self, x: &LossInput) -> TokenLoss;
}
