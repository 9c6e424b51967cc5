//! Per-token losses on `[B, R]` tensors: ordinary Burn code, differentiated by Burn.

mod cispo;
mod covariance;
mod cpg;
mod dppo;
mod importance;
mod nll;
mod ppo_clip;
mod ratio;
mod sapo;
mod value;

pub use cispo::CispoLoss;
pub use covariance::{ClipCovLoss, KlCovLoss};
pub use cpg::Cpg;
pub use dppo::{Divergence, DppoLoss};
pub use importance::Importance;
pub use nll::Nll;
pub use ppo_clip::PpoClip;
pub(crate) use ratio::LOG_RATIO_LIMIT;
pub use ratio::RatioLevel;
pub use sapo::SapoLoss;
pub use value::value_loss;

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
    /// Log-probability under the policy that sampled, if some part needs it.
    pub sample_logp: Option<Tensor<2>>,
    /// Log-probability under the reference model, if some part needs it.
    pub ref_logp: Option<Tensor<2>>,
    /// Advantages.
    pub advantages: Tensor<2>,
    /// True where a token takes part.
    pub mask: Tensor<2, Bool>,
    /// True where the recipe's selector has chosen a token, if it has one.
    pub special_tokens: Option<Tensor<2, Bool>>,
    /// Over what ratios are taken.
    pub ratio: RatioLevel,
    /// The weight of the KL where a controller has moved it.
    pub kl_coef: Option<f64>,
}

impl LossInput {
    /// Sum over the tokens of a response that take part: `[B, R]` to `[B, 1]`.
    pub fn row_sum(&self, x: Tensor<2>) -> Tensor<2> {
        x.mask_fill(self.mask.clone().bool_not(), 0.0).sum_dim(1)
    }

    /// Mean over the tokens of a response that take part, 0 where none does: `[B, R]` to `[B, 1]`.
    pub fn row_mean(&self, x: Tensor<2>) -> Tensor<2> {
        let count = self.mask.clone().float().sum_dim(1).clamp_min(1.0);
        self.row_sum(x) / count
    }
}

/// A loss for every token, neither masked nor reduced, and what to log beside it.
#[derive(Debug, Clone)]
pub struct TokenLoss {
    /// `[B, R]`
    pub loss: Tensor<2>,
    /// Numbers a token whose masked mean is logged, by metric name: `[B, R]` without gradient.
    pub stats: Vec<(&'static str, Tensor<2>)>,
}

impl TokenLoss {
    /// A loss with nothing to log beside it.
    pub fn new(loss: Tensor<2>) -> Self {
        Self {
            loss,
            stats: vec![],
        }
    }
}

/// What is minimised.
pub trait PolicyLoss: Send + Sync {
    /// What the loss reads beside log-probabilities and advantages.
    fn needs(&self) -> Needs;

    /// How far the ratio may move below and above 1, where the loss clips one.
    fn bounds(&self) -> Option<(f64, f64)> {
        None
    }

    /// Whether the loss can clip the ratios of tokens before it takes their mean over a response.
    fn clips_before_mean(&self) -> bool {
        false
    }

    /// The loss of every token.
    fn token_loss(&self, x: &LossInput) -> TokenLoss;
}

/// A loss of log-probabilities, entropies and advantages alone may be a closure.
impl<F: Fn(&LossInput) -> Tensor<2> + Send + Sync> PolicyLoss for F {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn token_loss(&self, x: &LossInput) -> TokenLoss {
        TokenLoss::new(self(x))
    }
}
