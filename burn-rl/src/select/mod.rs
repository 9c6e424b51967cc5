//! Tokens that are treated differently from the others of their optimiser step.

mod covariance;
mod entropy;

pub use covariance::Covariance;
pub use entropy::TopEntropy;

use crate::{
    error::RlError,
    types::{Advantages, Needs, ScoredBatch},
};

/// All tokens of an optimiser step under the policy as it is now, on the host.
///
/// Selections rank tokens across samples, so they are made once a step and not in the loss, which
/// sees one micro-batch at a time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StepScores {
    /// Indices of the samples of the step; the lists below are in this order.
    pub samples: Vec<usize>,
    /// Log-probabilities of the tokens.
    pub logp: Vec<Vec<f32>>,
    /// Entropies at the tokens, in nats.
    pub entropy: Vec<Vec<f32>>,
}

/// Chooses tokens of an optimiser step.
pub trait TokenSelector: Send + Sync {
    /// What the selector reads beside the scores of the step.
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

    /// One list for each of `scores.samples`, one flag a response token; masked tokens are never
    /// chosen.
    ///
    /// # Errors
    /// [`RlError::NotProvided`] for what the selector reads and is not there.
    fn select(
        &self,
        batch: &ScoredBatch,
        advantages: &Advantages,
        scores: &StepScores,
    ) -> Result<Vec<Vec<bool>>, RlError>;
}
