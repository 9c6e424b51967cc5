//! What is added to the policy loss.

mod drift;
mod entropy;
mod kl;

pub use drift::PolicyDrift;
pub use entropy::EntropyBonus;
pub use kl::{Kl, KlControl, KlEstimator};

use crate::{
    error::RlError,
    loss::{LossInput, TokenLoss},
    types::Needs,
};

/// A term of the loss.
///
/// ```
/// use burn_rl::{RlError, advantage::Constant, loss::{LossInput, Nll, TokenLoss}, recipe::Recipe};
/// use burn_rl::{reduce::LossReduction, regularize::Regularizer};
///
/// /// Pulls every token's log-probability towards the reference model's.
/// struct Pull(f64);
/// impl Regularizer for Pull {
///     fn token_loss(&self, x: &LossInput) -> Result<TokenLoss, RlError> {
///         let distance = (x.logp() - x.ref_logp()?).square();
///         Ok(TokenLoss::new(distance.clone().mul_scalar(self.0)).stat("mine/distance", distance))
///     }
/// }
///
/// let recipe = Recipe::builder(Constant(1.0), Nll, LossReduction::TokenMean);
/// assert!(recipe.regularize(Pull(0.1)).build()?.needs().ref_logp);
/// # Ok::<(), RlError>(())
/// ```
pub trait Regularizer: Send + Sync {
    /// What the term reads beside what it asks for when a recipe is built; see
    /// [`PolicyLoss::needs`](crate::loss::PolicyLoss::needs).
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

    /// The term of every token, its coefficient included.
    ///
    /// # Errors
    /// [`RlError::NotProvided`] for what the term reads and is not there.
    fn token_loss(&self, x: &LossInput) -> Result<TokenLoss, RlError>;
}
