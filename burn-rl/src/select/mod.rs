//! Tokens that are treated differently from the others of their optimiser step.

mod covariance;
mod entropy;

pub use covariance::Covariance;
pub use entropy::TopEntropy;

use crate::{
    error::RlError,
    types::{Advantages, Needs, Sample, ScoredBatch},
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

impl StepScores {
    /// Refuses lists that do not fit the batch; one that no selector reads may be left empty.
    ///
    /// # Errors
    /// What was found and what was expected.
    pub fn check(&self, batch: &ScoredBatch, advantages: &Advantages) -> Result<(), RlError> {
        let len = |i: &usize| batch.samples.get(*i).map(Sample::len);
        let worth = |i: &usize| advantages.per_token.get(*i).map(Vec::len);
        let fits = |lists: &[Vec<f32>]| {
            let lengths = lists.iter().map(|list| Some(list.len()));
            lists.is_empty() || lengths.eq(self.samples.iter().map(len))
        };
        let known = self
            .samples
            .iter()
            .all(|i| len(i).is_some() && worth(i) == len(i));
        match known && fits(&self.logp) && fits(&self.entropy) {
            true => Ok(()),
            false => Err(RlError::Config(
                "the scores of a step do not fit its batch, expected one number a response token"
                    .into(),
            )),
        }
    }
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
