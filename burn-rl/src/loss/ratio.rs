//! How far the policy has moved: the ratio to the policy before the update.

use super::LossInput;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Over what a ratio is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RatioLevel {
    /// Each token has its own.
    #[default]
    Token,
    /// All tokens of a response share the geometric mean of theirs, which is the likelihood of
    /// the response to the power 1/length
    /// ([arXiv:2507.18071](https://arxiv.org/abs/2507.18071), equation 7).
    Sequence,
    /// As `Sequence`, but tokens are clipped before the mean is taken
    /// ([arXiv:2507.20673](https://arxiv.org/abs/2507.20673)).
    Geometric,
    /// All tokens of a response share the product of theirs: the ratio of its likelihoods.
    Product,
}

/// Where the policy has moved further than this, in nats, only rounding is left
/// (<https://github.com/OpenRLHF/OpenRLHF>, `openrlhf/models/loss.py`).
pub(crate) const LOG_RATIO_LIMIT: f64 = 20.0;

impl LossInput {
    /// `log π − log π_old` of every token, whatever the level: `[B, R]`.
    pub fn token_log_ratio(&self) -> Tensor<2> {
        (self.logp.clone() - self.old_logp.clone()).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    }

    /// The ratio at the recipe's level: `[B, R]`.
    pub fn ratio(&self) -> Tensor<2> {
        self.log_ratio().exp()
    }

    /// The log of the ratio at the recipe's level: `[B, R]`.
    ///
    /// A shared ratio has, at each token, the value of the response and the gradient of the token
    /// alone, as GSPO-token has it (arXiv:2507.18071, equation 14): summed over the response and
    /// weighted by 1/length that is the gradient of the shared ratio.
    pub fn log_ratio(&self) -> Tensor<2> {
        let token = self.token_log_ratio();
        let value = token.clone().detach();
        let shape = value.dims();
        let shared = match self.ratio {
            RatioLevel::Token => return token,
            RatioLevel::Sequence | RatioLevel::Geometric => self.row_mean(value),
            RatioLevel::Product => {
                let sum = self.row_sum(value);
                sum.clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
            }
        };
        // Exactly 0: the value is the same at every token of a response.
        let gradient_alone = self.logp.clone() - self.logp.clone().detach();
        shared.expand(shape) + gradient_alone
    }
}
