//! What a loss reads.

use super::{RatioLevel, RatioReference};
use crate::{error::RlError, types::Needs};
use burn::tensor::{Bool, Tensor};
use std::sync::{Arc, Mutex, PoisonError};

/// Where the policy has moved further than this, in nats, only rounding is left
/// (<https://github.com/OpenRLHF/OpenRLHF>, `openrlhf/models/loss.py`).
pub(crate) const LOG_RATIO_LIMIT: f64 = 20.0;

/// What a loss may read, one number a response token: tensors are `[B, R]` (samples, response
/// tokens). Only [`logp`](Self::logp) and [`entropy`](Self::entropy) have gradients.
///
/// A loss asks for what it reads. Building a recipe runs its loss once and notes what was asked,
/// so that the learner runs just the passes that are needed; there is nothing to declare. What is
/// not there is an error with its name, never another number in its place.
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_rl::{RlError, advantage::Constant, loss::LossInput, recipe::Recipe, reduce::LossReduction};
///
/// // PPO's clipped surrogate, and a pull of every response towards a mean log-ratio of 0.
/// let loss = |x: &LossInput| -> Result<Tensor<2>, RlError> {
///     let (ratio, advantages) = (x.ratio()?, x.advantages());
///     let clipped = ratio.clone().clamp(0.8, 1.2);
///     let surrogate = (ratio * advantages.clone()).min_pair(clipped * advantages);
///     let drift = x.row_mean(x.log_ratio()?).square();
///     let penalty = drift.expand(surrogate.dims());
///     Ok(penalty.mul_scalar(0.01) - surrogate)
/// };
/// let recipe = Recipe::builder(Constant(1.0), loss, LossReduction::TokenMean).build()?;
/// assert!(recipe.needs().old_logp && !recipe.needs().ref_logp);
///
/// // Tokens are special only where a selector chooses them: found when the recipe is built.
/// let loss = |x: &LossInput| Ok::<_, RlError>(x.logp().mask_fill(x.special_tokens()?, 0.0));
/// let error = Recipe::builder(Constant(1.0), loss, LossReduction::TokenMean).build();
/// assert!(error.is_err_and(|e| e.to_string().contains("special_tokens")));
/// # Ok::<(), RlError>(())
/// ```
///
/// What the sampler and the reference model said is asked for in the same way:
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_rl::{RlError, advantage::Constant, recipe::Recipe, reduce::LossReduction};
/// use burn_rl::loss::{LossInput, RatioLevel};
///
/// let loss = |x: &LossInput| -> Result<Tensor<2>, RlError> {
///     // REINFORCE, weighted by how likely the response is now against when it was drawn.
///     let drift = (x.logp().detach() - x.behaviour_logp()?).mask_fill(x.mask().bool_not(), 0.0);
///     let weight = x.row_sum(drift).exp().clamp_max(2.0).expand(x.logp().dims());
///     // The KL to the reference, with the weight that a controller has moved, if there is one.
///     let kl = (x.logp() - x.ref_logp()?).mul_scalar(x.kl_coef().unwrap_or(0.04));
///     let stays = x.entropy().mul_scalar(-0.001);
///     assert_eq!(x.ratio_level(), RatioLevel::Token);
///     let far = x.token_log_ratio()?.abs().greater_elem(1.0);
///     Ok((kl - weight * x.logp() * x.advantages() + stays).mask_fill(far, 0.0))
/// };
/// let recipe = Recipe::builder(Constant(1.0), loss, LossReduction::TokenMean).build()?;
/// assert!(recipe.needs().behaviour_logp && recipe.needs().ref_logp && recipe.needs().entropy);
/// # Ok::<(), RlError>(())
/// ```
#[derive(Debug, Clone)]
pub struct LossInput {
    tensors: LossTensors,
    /// Clones note what they are asked here too.
    asked: Arc<Mutex<Needs>>,
}

/// The numbers behind a [`LossInput`].
#[derive(Debug, Clone)]
pub(crate) struct LossTensors {
    pub logp: Tensor<2>,
    pub entropy: Tensor<2>,
    pub advantages: Tensor<2>,
    pub mask: Tensor<2, Bool>,
    pub old_logp: Option<Tensor<2>>,
    pub behaviour_logp: Option<Tensor<2>>,
    pub ref_logp: Option<Tensor<2>>,
    pub special_tokens: Option<Tensor<2, Bool>>,
    pub ratio_level: RatioLevel,
    pub ratio_reference: RatioReference,
    pub kl_coef: Option<f64>,
}

impl LossInput {
    pub(crate) fn new(tensors: LossTensors) -> Self {
        Self {
            tensors,
            asked: Arc::default(),
        }
    }

    /// What was asked of this input and of its clones so far.
    pub(crate) fn asked(&self) -> Needs {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, what: fn(&mut Needs)) {
        what(&mut self.asked.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Log-probability of each token under the current policy.
    pub fn logp(&self) -> Tensor<2> {
        self.tensors.logp.clone()
    }

    /// Entropy in nats of the distribution that each token was drawn from, under the current policy.
    pub fn entropy(&self) -> Tensor<2> {
        self.ask(|needs| needs.entropy = true);
        self.tensors.entropy.clone()
    }

    /// Advantage of each token.
    pub fn advantages(&self) -> Tensor<2> {
        self.tensors.advantages.clone()
    }

    /// True where a token takes part in the loss.
    pub fn mask(&self) -> Tensor<2, Bool> {
        self.tensors.mask.clone()
    }

    /// Log-probability of each token under the policy that ratios are to: the policy before the
    /// update or, with `ratio_anchor = "sampler"`, the behaviour policy.
    ///
    /// # Errors
    /// [`RlError::NotProvided`].
    pub fn old_logp(&self) -> Result<Tensor<2>, RlError> {
        // Also where ratios are to the sampler: how far an update has moved is still measured
        // from the policy before it.
        self.ask(|needs| needs.old_logp = true);
        match self.tensors.ratio_reference {
            RatioReference::Old => provided("old_logp", &self.tensors.old_logp),
            RatioReference::Sampler => self.behaviour_logp(),
        }
    }

    /// Log-probability of each token under the behaviour policy, the distribution it was drawn from,
    /// by the sampler.
    ///
    /// # Errors
    /// [`RlError::NotProvided`].
    pub fn behaviour_logp(&self) -> Result<Tensor<2>, RlError> {
        self.ask(|needs| needs.behaviour_logp = true);
        provided("behaviour_logp", &self.tensors.behaviour_logp)
    }

    /// Log-probability of each token under the reference model.
    ///
    /// # Errors
    /// [`RlError::NotProvided`].
    pub fn ref_logp(&self) -> Result<Tensor<2>, RlError> {
        self.ask(|needs| needs.ref_logp = true);
        provided("ref_logp", &self.tensors.ref_logp)
    }

    /// True where the recipe's selector of special tokens has chosen a token.
    ///
    /// # Errors
    /// [`RlError::NotProvided`] where the recipe has no such selector.
    pub fn special_tokens(&self) -> Result<Tensor<2, Bool>, RlError> {
        match &self.tensors.special_tokens {
            Some(tokens) => Ok(tokens.clone()),
            None => Err(RlError::NotProvided("special_tokens")),
        }
    }

    /// The weight of the KL where a controller has moved it away from its start.
    pub fn kl_coef(&self) -> Option<f64> {
        self.tensors.kl_coef
    }

    /// Over what the recipe takes ratios.
    pub fn ratio_level(&self) -> RatioLevel {
        self.tensors.ratio_level
    }

    /// `log π − log π_old` of every token, whatever the level, held at ±20 nats: `[B, R]`.
    ///
    /// # Errors
    /// As [`old_logp`](Self::old_logp).
    pub fn token_log_ratio(&self) -> Result<Tensor<2>, RlError> {
        Ok((self.logp() - self.old_logp()?).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT))
    }

    /// The ratio `π / π_old` at the recipe's level: `[B, R]`.
    ///
    /// # Errors
    /// As [`old_logp`](Self::old_logp).
    pub fn ratio(&self) -> Result<Tensor<2>, RlError> {
        Ok(self.log_ratio()?.exp())
    }

    /// The log of the ratio at the recipe's level: `[B, R]`.
    ///
    /// A shared ratio has, at each token, the value of the response and the gradient of the token
    /// alone, as GSPO-token has it (arXiv:2507.18071, equation 14): summed over the response and
    /// weighted by 1/length that is the gradient of the shared ratio.
    ///
    /// # Errors
    /// As [`old_logp`](Self::old_logp).
    pub fn log_ratio(&self) -> Result<Tensor<2>, RlError> {
        let token = self.token_log_ratio()?;
        let value = token.clone().detach();
        let shape = value.dims();
        let shared = match self.tensors.ratio_level {
            RatioLevel::Token => return Ok(token),
            RatioLevel::Sequence | RatioLevel::Geometric => self.row_mean(value),
            RatioLevel::Product => {
                let sum = self.row_sum(value);
                sum.clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
            }
        };
        // Exactly 0: the value is the same at every token of a response.
        let gradient_alone = self.logp() - self.logp().detach();
        Ok(shared.expand(shape) + gradient_alone)
    }

    /// Sum over the tokens of a response that take part: `[B, R]` to `[B, 1]`.
    pub fn row_sum(&self, x: Tensor<2>) -> Tensor<2> {
        x.mask_fill(self.mask().bool_not(), 0.0).sum_dim(1)
    }

    /// Mean over the tokens of a response that take part, 0 where none does: `[B, R]` to `[B, 1]`.
    pub fn row_mean(&self, x: Tensor<2>) -> Tensor<2> {
        let count = self.mask().float().sum_dim(1).clamp_min(1.0);
        self.row_sum(x) / count
    }
}

fn provided(name: &'static str, x: &Option<Tensor<2>>) -> Result<Tensor<2>, RlError> {
    x.clone().ok_or(RlError::NotProvided(name))
}
