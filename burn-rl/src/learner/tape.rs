//! The loss tape: everything an algorithm differentiates, on `[B, R]` leaves.

use crate::{
    loss::{LossInput, TokenLoss},
    recipe::Recipe,
};
use burn::tensor::{Bool, Tensor};

/// Plain inputs of the loss, `[B, R]` each.
#[derive(Debug, Clone)]
pub struct TapeInput {
    /// Log-probability of each token under the current policy.
    pub logp: Tensor<2>,
    /// Entropy at each token, in nats.
    pub entropy: Tensor<2>,
    /// Log-probability before the update; none means it is the current one.
    pub old_logp: Option<Tensor<2>>,
    /// Log-probability under the reference model.
    pub ref_logp: Option<Tensor<2>>,
    /// Advantages.
    pub advantages: Tensor<2>,
    /// True where a token takes part.
    pub mask: Tensor<2, Bool>,
    /// Weight of each token in the loss; see [`crate::reduce`].
    pub weights: Tensor<2>,
}

/// The loss, and its derivatives by the two numbers that cross from the model.
#[derive(Debug, Clone)]
pub struct TapeOutput {
    /// Σ weight · loss over the tokens that take part.
    pub loss: Tensor<1>,
    /// `[B, R]`, the loss of each token, zero where masked.
    pub token_loss: Tensor<2>,
    /// `[B, R]`
    pub d_logp: Tensor<2>,
    /// `[B, R]`, unless no part uses the entropy.
    pub d_entropy: Option<Tensor<2>>,
    /// Masked numbers a token, by metric name: `[B, R]`.
    pub stats: Vec<(&'static str, Tensor<2>)>,
}

/// Runs the loss of a recipe forward and backward.
pub fn differentiate(recipe: &Recipe, x: TapeInput) -> TapeOutput {
    let logp = x.logp.clone().autodiff().require_grad();
    let entropy = x.entropy.autodiff().require_grad();
    let masked_out = x.mask.clone().bool_not();
    let input = LossInput {
        logp: logp.clone(),
        entropy: entropy.clone(),
        old_logp: x.old_logp.unwrap_or(x.logp).autodiff(),
        ref_logp: x.ref_logp.map(Tensor::autodiff),
        advantages: x.advantages.autodiff(),
        mask: x.mask.autodiff(),
    };
    let mut total = recipe.loss.token_loss(&input);
    for regularizer in &recipe.regularizers {
        let TokenLoss { loss, stats } = regularizer.token_loss(&input);
        total.loss = total.loss + loss;
        total.stats.extend(stats);
    }
    // Masked tokens are replaced, not multiplied: what they hold may not even be finite.
    let token_loss = total.loss.mask_fill(masked_out.clone().autodiff(), 0.0);
    let loss = (token_loss.clone() * x.weights.autodiff()).sum();
    let mut grads = loss.backward();
    let d_logp = logp.grad_remove(&mut grads);
    let mask = |x: Tensor<2>| x.mask_fill(masked_out.clone(), 0.0);
    TapeOutput {
        d_logp: mask(
            d_logp.unwrap_or_else(|| Tensor::zeros(token_loss.dims(), &masked_out.device())),
        ),
        d_entropy: entropy.grad_remove(&mut grads).map(mask),
        stats: total
            .stats
            .into_iter()
            .map(|(name, stat)| (name, mask(stat)))
            .collect(),
        loss: loss.inner(),
        token_loss: token_loss.inner(),
    }
}
