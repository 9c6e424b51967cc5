//! Staying near a reference model.

use super::Regularizer;
use crate::{
    error::RlError,
    loss::{LOG_RATIO_LIMIT, LossInput, TokenLoss},
    range::{above_zero, non_negative},
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

/// The least that β is multiplied by at a time.
const LEAST_FACTOR: f64 = 0.1;

/// How β follows the measured KL
/// ([arXiv:1909.08593](https://arxiv.org/abs/1909.08593)).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KlControl {
    /// The KL a token that is aimed at, in nats.
    pub target: f64,
    /// Horizon in completions (TRL's `horizon`): over so many of them β changes by at most 20 %.
    pub horizon: f64,
}

impl KlControl {
    /// Refuses numbers that make no sense.
    ///
    /// # Errors
    /// The option, what was found and what was expected.
    pub fn check(&self) -> Result<(), RlError> {
        above_zero("kl_target", self.target)?;
        above_zero("kl_horizon", self.horizon)?;
        Ok(())
    }

    /// β after `completions` with a mean KL of `kl` a token. A KL that is not finite says nothing;
    /// β stays positive however many completions there are.
    pub fn next(&self, beta: f64, kl: f64, completions: usize) -> f64 {
        if !kl.is_finite() {
            return beta;
        }
        let error = (kl / self.target - 1.0).clamp(-0.2, 0.2);
        let factor = 1.0 + error * completions as f64 / self.horizon;
        beta * factor.max(LEAST_FACTOR)
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
    fn check(&self) -> Result<(), RlError> {
        non_negative("beta", self.beta)?;
        Ok(())
    }

    fn token_loss(&self, x: &LossInput) -> Result<TokenLoss, RlError> {
        let kl = self.estimator.token_kl(x.logp(), x.ref_logp()?);
        let loss = kl.clone().mul_scalar(x.kl_coef().unwrap_or(self.beta));
        Ok(TokenLoss::new(loss).stat("policy/kl_ref", kl))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beta_follows_the_kl_and_survives_what_is_none() {
        let control = KlControl {
            target: 0.1,
            horizon: 1000.0,
        };
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12);
        // Errors are cut to a fifth: 1 + 0.2 · 64 / 1000.
        close(control.next(0.5, 9.0, 64), 0.5 * 1.0128);
        close(control.next(0.5, 0.11, 64), 0.5 * 1.0064);
        close(control.next(0.5, f64::NAN, 64), 0.5);
        // 1 − 0.2 · 8192 / 1000 is below zero.
        close(control.next(0.5, 0.0, 8192), 0.05);
    }
}
