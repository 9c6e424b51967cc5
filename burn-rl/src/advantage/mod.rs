//! What each token is worth, on the host.

mod composed;
mod constant;
mod returns;
mod score;
mod weight;
mod whiten;

pub use composed::Composed;
pub use constant::Constant;
pub use returns::{gae, to_go};
pub use score::{Baseline, Scale, Score};
pub use weight::{AdoraWeight, ClipFilter, GroupWeight};
pub use whiten::{Whiten, whiten};

use crate::{
    error::RlError,
    types::{Advantages, Needs, Rewards, Sample, ScoredBatch},
};

/// Turns the rewards of a batch into advantages.
///
/// ```
/// use burn_rl::{RlError, advantage::AdvantageEstimator, types::{Advantages, Rewards, Sample, ScoredBatch}};
///
/// /// The reward against the best of the batch.
/// struct AgainstTheBest;
/// impl AdvantageEstimator for AgainstTheBest {
///     fn estimate(&self, batch: &ScoredBatch, rewards: &Rewards) -> Result<Advantages, RlError> {
///         let best = rewards.outcomes.iter().copied().fold(f64::MIN, f64::max);
///         let values = rewards.outcomes.iter().map(|r| r - best);
///         Ok(Advantages::per_sample(batch, values))
///     }
/// }
///
/// let sample = |reward| Sample { reward, mask: vec![true; 2], ..Sample::default() };
/// let batch = ScoredBatch::from_groups([vec![sample(3.0), sample(1.0)]]);
/// let found = AgainstTheBest.estimate(&batch, &Rewards::new(&batch))?;
/// assert_eq!(found.per_token, [[0.0, 0.0], [-2.0, -2.0]]);
/// # Ok::<(), RlError>(())
/// ```
pub trait AdvantageEstimator: Send + Sync {
    /// What the estimator reads beside rewards.
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

    /// One advantage a response token, computed in f64 from shaped rewards.
    ///
    /// # Errors
    /// [`RlError::NotProvided`] for what the estimator reads and is not there.
    fn estimate(&self, batch: &ScoredBatch, rewards: &Rewards) -> Result<Advantages, RlError>;
}

impl Advantages {
    /// The same value for every token of a sample.
    pub fn per_sample(batch: &ScoredBatch, values: impl IntoIterator<Item = f64>) -> Self {
        let spread = |(sample, value): (&Sample, f64)| vec![value as f32; sample.len()];
        Self {
            per_token: batch.samples.iter().zip(values).map(spread).collect(),
            ..Self::default()
        }
    }
}
