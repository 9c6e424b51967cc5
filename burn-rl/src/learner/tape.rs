//! The loss tape: everything an algorithm differentiates, on `[B, R]` leaves.

use crate::{
    error::RlError,
    loss::{LossInput, LossTensors, value_loss},
    recipe::{CriticSpec, Recipe},
};
use burn::tensor::{Bool, Tensor};
use std::borrow::Cow;

/// Plain inputs of the loss, `[B, R]` each.
#[derive(Debug, Clone)]
pub struct TapeInput {
    /// Log-probability of each token under the current policy.
    pub logp: Tensor<2>,
    /// Entropy at each token, in nats.
    pub entropy: Tensor<2>,
    /// Log-probability before the update. None says that there was no update since: then it is the
    /// current one, without gradient.
    pub old_logp: Option<Tensor<2>>,
    /// Log-probability under the behaviour policy.
    pub behaviour_logp: Option<Tensor<2>>,
    /// Log-probability under the reference model.
    pub ref_logp: Option<Tensor<2>>,
    /// Advantages.
    pub advantages: Tensor<2>,
    /// True where a token takes part.
    pub mask: Tensor<2, Bool>,
    /// Weight of each token in the loss; see [`crate::reduce`].
    pub weights: Tensor<2>,
    /// Tokens that the loss treats in a way of its own; see [`Recipe::select`].
    pub special_tokens: Option<Tensor<2, Bool>>,
    /// Tokens that have a policy loss; none for all.
    pub trained_tokens: Option<Tensor<2, Bool>>,
    /// The weight of the KL where a controller has moved it.
    pub kl_coef: Option<f64>,
}

impl TapeInput {
    /// What a loss on policy needs, all tokens taking part: log-probabilities, advantages and the
    /// weight of each token, `[B, R]` each.
    pub fn new(logp: Tensor<2>, advantages: Tensor<2>, weights: Tensor<2>) -> Self {
        Self {
            entropy: logp.zeros_like(),
            mask: logp.ones_like().bool(),
            old_logp: None,
            behaviour_logp: None,
            ref_logp: None,
            special_tokens: None,
            trained_tokens: None,
            kl_coef: None,
            logp,
            advantages,
            weights,
        }
    }

    fn check(&self) -> Result<(), RlError> {
        let expected = self.logp.dims();
        let shape = |x: &Option<Tensor<2>>| x.as_ref().map_or(expected, Tensor::dims);
        let flags = |x: &Option<Tensor<2, Bool>>| x.as_ref().map_or(expected, Tensor::dims);
        let shapes = [
            ("entropy", self.entropy.dims()),
            ("old_logp", shape(&self.old_logp)),
            ("behaviour_logp", shape(&self.behaviour_logp)),
            ("ref_logp", shape(&self.ref_logp)),
            ("advantages", self.advantages.dims()),
            ("mask", self.mask.dims()),
            ("weights", self.weights.dims()),
            ("special_tokens", flags(&self.special_tokens)),
            ("trained_tokens", flags(&self.trained_tokens)),
        ];
        match shapes.into_iter().find(|(_, found)| *found != expected) {
            Some((name, found)) => Err(RlError::Config(format!(
                "{name} has shape {found:?}, expected {expected:?} as logp has"
            ))),
            None => Ok(()),
        }
    }
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
    pub stats: Vec<(Cow<'static, str>, Tensor<2>)>,
}

/// Runs the loss of a recipe forward and backward.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_rl::{RlError, advantage::Constant, loss::LossInput, recipe::Recipe};
/// use burn_rl::{learner::tape::{TapeInput, differentiate}, reduce::LossReduction};
///
/// let loss = |x: &LossInput| -(x.logp() * x.advantages());
/// let recipe = Recipe::builder(Constant(1.0), loss, LossReduction::TokenMean).build()?;
/// let row = |numbers: [f32; 2]| Tensor::<2>::from_floats([numbers], &Device::flex());
/// let input = TapeInput::new(row([-1.0, -2.0]), row([4.0, 1.0]), row([0.5, 0.5]));
/// let found = differentiate(&recipe, input)?;
/// assert_eq!(found.loss.into_scalar::<f32>(), 3.0);
/// assert_eq!(found.d_logp.into_data().iter::<f32>().collect::<Vec<_>>(), [-2.0, -0.5]);
/// # Ok::<(), RlError>(())
/// ```
///
/// # Errors
/// [`RlError::NotProvided`] for what a part reads and is not there, or shapes that differ.
pub fn differentiate(recipe: &Recipe, x: TapeInput) -> Result<TapeOutput, RlError> {
    x.check()?;
    let masked_out = x.mask.clone().bool_not();
    // What masked tokens hold may not even be finite: it is replaced before anything is computed,
    // and nothing of it can reach another token of its row.
    let clean = |x: Tensor<2>| x.mask_fill(masked_out.clone(), 0.0);
    let constant = |x: Tensor<2>| clean(x).autodiff();
    let logp = constant(x.logp.clone()).require_grad();
    let entropy = constant(x.entropy).require_grad();
    // Only where the learner knew that the loss reads it, so that it did fill it in if it had to.
    let current = recipe.needs().old_logp.then_some(x.logp);
    let input = LossInput::new(LossTensors {
        logp: logp.clone(),
        entropy: entropy.clone(),
        advantages: constant(x.advantages),
        mask: x.mask.autodiff(),
        old_logp: x.old_logp.or(current).map(constant),
        behaviour_logp: x.behaviour_logp.map(constant),
        ref_logp: x.ref_logp.map(constant),
        special_tokens: x.special_tokens.map(Tensor::autodiff),
        ratio_level: recipe.ratio_level(),
        ratio_reference: recipe.ratio_reference(),
        kl_coef: x.kl_coef,
    });
    let total = recipe.token_loss(&input, x.trained_tokens.map(Tensor::autodiff))?;
    let token_loss = total.loss.mask_fill(masked_out.clone().autodiff(), 0.0);
    let loss = (token_loss.clone() * constant(x.weights)).sum();
    let mut grads = loss.backward();
    let d_logp = logp.grad_remove(&mut grads);
    Ok(TapeOutput {
        d_logp: clean(
            d_logp.unwrap_or_else(|| Tensor::zeros(token_loss.dims(), &masked_out.device())),
        ),
        d_entropy: entropy.grad_remove(&mut grads).map(clean),
        stats: total
            .stats
            .into_iter()
            .map(|(name, stat)| (name, clean(stat)))
            .collect(),
        loss: loss.inner(),
        token_loss: token_loss.inner(),
    })
}

/// Plain inputs of the critic's loss, `[B, R]` each.
#[derive(Debug, Clone)]
pub struct ValueInput {
    /// Values under the current critic.
    pub values: Tensor<2>,
    /// Values before the update.
    pub old_values: Tensor<2>,
    /// What the values should have been.
    pub returns: Tensor<2>,
    /// True where a token takes part.
    pub mask: Tensor<2, Bool>,
    /// Weight of each token in the loss; see [`crate::reduce`].
    pub weights: Tensor<2>,
}

/// The critic's loss `[1]` and its derivative by the values `[B, R]`, zero where masked.
pub fn differentiate_values(critic: &CriticSpec, x: ValueInput) -> (Tensor<1>, Tensor<2>) {
    let masked_out = x.mask.bool_not();
    let clean = |x: Tensor<2>| x.mask_fill(masked_out.clone(), 0.0);
    let constant = |x: Tensor<2>| clean(x).autodiff();
    let values = constant(x.values).require_grad();
    let loss = value_loss(
        values.clone(),
        constant(x.old_values),
        constant(x.returns),
        critic.value_clip,
    );
    let loss = (loss * constant(x.weights)).sum();
    let mut grads = loss.backward();
    let shape = masked_out.dims();
    let d_values = values.grad_remove(&mut grads);
    let d_values = d_values.unwrap_or_else(|| Tensor::zeros(shape, &masked_out.device()));
    (loss.inner(), clean(d_values))
}
