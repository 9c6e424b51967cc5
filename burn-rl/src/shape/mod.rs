//! What is done to rewards before they are compared.

mod kl;
mod outcome;
mod overlong;

pub use kl::KlReward;
pub use outcome::{LengthReward, OutcomeWeight, RewardClip};
pub use overlong::Overlong;

use crate::{
    error::RlError,
    types::{Needs, Rewards, RunFacts, ScoredBatch},
};

/// Changes rewards before advantages are computed from them.
///
/// ```
/// use burn_rl::{RlError, shape::RewardShaper};
/// use burn_rl::types::{Rewards, ScoredBatch};
///
/// /// A price on every token.
/// struct Price(f64);
/// impl RewardShaper for Price {
///     fn shape(&self, batch: &ScoredBatch, rewards: &mut Rewards) -> Result<(), RlError> {
///         for (sample, outcome) in batch.samples.iter().zip(&mut rewards.outcomes) {
///             *outcome -= self.0 * sample.len() as f64;
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait RewardShaper: Send + Sync {
    /// What the shaper reads beside rewards, lengths and masks.
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

    /// Refuses a run in which the shaper makes no sense.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    fn check_run(&self, _run: &RunFacts) -> Result<(), RlError> {
        Ok(())
    }

    /// Changes the rewards of a batch.
    ///
    /// # Errors
    /// [`RlError::NotProvided`] for what the shaper reads and is not there.
    fn shape(&self, batch: &ScoredBatch, rewards: &mut Rewards) -> Result<(), RlError>;
}
