//! What is added to the policy loss.

mod drift;
mod entropy;
mod kl;

pub use drift::PolicyDrift;
pub use entropy::EntropyBonus;
pub use kl::{Kl, KlControl, KlEstimator};

use crate::{
    loss::{LossInput, TokenLoss},
    types::Needs,
};

/// A term of the loss.
pub trait Regularizer: Send + Sync {
    /// What the term reads.
    fn needs(&self) -> Needs;

    /// The term of every token, its coefficient included.
    fn token_loss(&self, x: &LossInput) -> TokenLoss;
}
