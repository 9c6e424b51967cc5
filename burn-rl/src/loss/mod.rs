//! Per-token losses on `[B, R]` tensors: ordinary Burn code, differentiated by Burn.

mod cispo;
mod covariance;
mod cpg;
mod dppo;
mod importance;
mod input;
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
pub use input::LossInput;
pub(crate) use input::{LOG_RATIO_LIMIT, LossTensors};
pub use nll::Nll;
pub use ppo_clip::PpoClip;
pub use ratio::{RatioLevel, RatioReference};
pub use sapo::SapoLoss;
pub use value::value_loss;

use crate::{error::RlError, types::Needs};
use burn::tensor::Tensor;
use std::borrow::Cow;

/// A loss for every token, neither masked nor reduced, and what to log beside it.
///
/// ```
/// use burn_rl::{RlError, advantage::Constant, loss::{LossInput, TokenLoss}, recipe::Recipe, reduce::LossReduction};
///
/// // The plain policy gradient, with the mean of `A²` in the metrics of every step.
/// let loss = |x: &LossInput| {
///     let advantages = x.advantages();
///     TokenLoss::new(-(advantages.clone() * x.logp())).stat("mine/square", advantages.square())
/// };
/// Recipe::builder(Constant(1.0), loss, LossReduction::TokenMean).build()?;
/// # Ok::<(), RlError>(())
/// ```
#[derive(Debug, Clone)]
pub struct TokenLoss {
    /// `[B, R]`
    pub loss: Tensor<2>,
    /// Numbers a token whose masked mean is logged, by metric name: `[B, R]` without gradient.
    pub stats: Vec<(Cow<'static, str>, Tensor<2>)>,
}

impl TokenLoss {
    /// A loss with nothing to log beside it.
    pub fn new(loss: Tensor<2>) -> Self {
        Self {
            loss,
            stats: vec![],
        }
    }

    /// The same with the mean of `x` (`[B, R]`) over the tokens that take part logged as `name`.
    pub fn stat(mut self, name: impl Into<Cow<'static, str>>, x: Tensor<2>) -> Self {
        let x = match x.device().is_autodiff() {
            true => x.inner(),
            false => x,
        };
        self.stats.push((name.into(), x));
        self
    }
}

/// What is minimised.
///
/// A closure from [`LossInput`] to a `Tensor<2>`, a [`TokenLoss`] or a `Result` of either is a loss.
/// A struct implements the trait to have options, a check of their values and, where the recipe's
/// checks should know them, the bounds of its clip:
///
/// ```
/// use burn_rl::{RlError, advantage::Constant, loss::*, recipe::Recipe, reduce::LossReduction};
///
/// struct Bounded { limit: f64 }
///
/// impl PolicyLoss for Bounded {
///     fn check(&self) -> Result<(), RlError> {
///         match self.limit > 0.0 {
///             true => Ok(()),
///             false => Err(RlError::Config(format!("algo.limit is {}", self.limit))),
///         }
///     }
///     fn token_loss(&self, x: &LossInput) -> Result<TokenLoss, RlError> {
///         let weight = x.advantages().clamp(-self.limit, self.limit);
///         Ok(TokenLoss::new(-(weight * x.logp())))
///     }
/// }
///
/// let recipe = |limit| Recipe::builder(Constant(1.0), Bounded { limit }, LossReduction::TokenMean);
/// assert!(recipe(1.5).build().is_ok() && recipe(0.0).build().is_err());
/// # Ok::<(), RlError>(())
/// ```
pub trait PolicyLoss: Send + Sync {
    /// What the loss reads beside what it asks for when a recipe is built, on numbers made up for that:
    /// only a loss that reads something else for other numbers has to say so.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Refuses options that make no sense.
    ///
    /// # Errors
    /// The option, what was found and what was expected.
    fn check(&self) -> Result<(), RlError> {
        Ok(())
    }

    /// How far the ratio may move below and above 1, where the loss clips one.
    fn bounds(&self) -> Option<(f64, f64)> {
        None
    }

    /// Whether the loss can clip the ratios of tokens before it takes their mean over a response.
    fn clips_before_mean(&self) -> bool {
        false
    }

    /// The loss of every token.
    ///
    /// # Errors
    /// [`RlError::NotProvided`] for what the loss reads and is not there.
    fn token_loss(&self, x: &LossInput) -> Result<TokenLoss, RlError>;
}

impl<F, T> PolicyLoss for F
where
    F: Fn(&LossInput) -> T + Send + Sync,
    T: IntoTokenLoss,
{
    fn token_loss(&self, x: &LossInput) -> Result<TokenLoss, RlError> {
        self(x).into_token_loss()
    }
}

/// What a closure that is a loss may return.
///
/// ```
/// use burn_rl::{RlError, loss::{IntoTokenLoss, LossInput, TokenLoss}};
///
/// fn a_loss<T: IntoTokenLoss>(_: impl Fn(&LossInput) -> T) {}
/// a_loss(|x| -x.logp());
/// a_loss(|x| TokenLoss::new(-x.logp()));
/// a_loss(|x| Ok::<_, RlError>(-x.ref_logp()?));
/// ```
pub trait IntoTokenLoss {
    /// As [`PolicyLoss::token_loss`] returns it.
    ///
    /// # Errors
    /// The closure's own.
    fn into_token_loss(self) -> Result<TokenLoss, RlError>;
}

impl IntoTokenLoss for TokenLoss {
    fn into_token_loss(self) -> Result<TokenLoss, RlError> {
        Ok(self)
    }
}

impl IntoTokenLoss for Tensor<2> {
    fn into_token_loss(self) -> Result<TokenLoss, RlError> {
        Ok(TokenLoss::new(self))
    }
}

impl<T: IntoTokenLoss> IntoTokenLoss for Result<T, RlError> {
    fn into_token_loss(self) -> Result<TokenLoss, RlError> {
        self?.into_token_loss()
    }
}
