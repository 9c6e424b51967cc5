//! Staying near a reference model.

use super::Regularizer;
use crate::{
    loss::{LOG_RATIO_LIMIT, LossInput, TokenLoss},
    types::Needs,
};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Estimators of `KL(π‖ref)` from one sample, with `d = log p − log p_ref`
/// (<http://joschu.net/blog/kl-approx.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlEstimator {
    /// `d`: unbiased as a value; as a loss its expected gradient on policy is zero.
    K1,
    /// `d² / 2`: biased as a value; its gradient on policy is that of the KL.
    K2,
    /// `exp(−d) − 1 + d`: unbiased and never negative; what GRPO uses. Beyond ±20 nats `d` is held,
    /// as the log of a ratio is: its exponential would be no number soon.
    #[default]
    K3,
    /// `|d|`: biased; never negative.
    Abs,
}

impl KlEstimator {
    /// The estimate for every token.
    pub fn token_kl(self, logp: Tensor<2>, ref_logp: Tensor<2>) -> Tensor<2> {
        let d = logp - ref_logp;
        match self {
            Self::K1 => d,
            Self::K2 => d.square().mul_scalar(0.5),
            Self::K3 => {
                let d = d.clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT);
                d.clone().neg().exp() - 1.0 + d
            }
            Self::Abs => d.abs(),
        }
    }

    /// The estimate for one token, from `d = log p − log p_ref`.
    pub fn of(self, d: f64) -> f64 {
        match self {
            Self::K1 => d,
            Self::K2 => d * d / 2.0,
            Self::K3 => {
                let d = d.clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT);
                (-d).exp_m1() + d
            }
            Self::Abs => d.abs(),
        }
    }
}

/// How β follows the measured KL
/// ([arXiv:1909.08593](https://arxiv.org/abs/1909.08593)).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KlControl {
    /// The KL a token that is aimed at, in nats.
    pub target: f64,
    /// Over how many completions β may change by a fifth.
    pub horizon: f64,
}

impl KlControl {
    /// β after `completions` with a mean KL of `kl` a token.
    pub fn next(&self, beta: f64, kl: f64, completions: usize) -> f64 {
        let error = (kl / self.target - 1.0).clamp(-0.2, 0.2);
        beta * (1.0 + error * completions as f64 / self.horizon)
    }
}

/// `β · KL(π‖ref)` in the loss.
#[derive(Debug, Clone, Copy)]
pub struct Kl {
    /// The estimator.
    pub estimator: KlEstimator,
    /// β
    pub beta: f64,
}

impl Regularizer for Kl {
    fn needs(&self) -> Needs {
        Needs {
            ref_logp: true,
            ..Needs::default()
        }
    }

    fn token_loss(&self, x: &LossInput) -> TokenLoss {
        let reference = x
            .ref_logp
            .clone()
            .expect("the recipe's needs include the reference");
        let kl = self.estimator.token_kl(x.logp.clone(), reference);
        TokenLoss {
            loss: kl.clone().mul_scalar(x.kl_coef.unwrap_or(self.beta)),
            stats: vec![("policy/kl_ref", kl.inner())],
        }
    }
}
