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
pub use weight::{Adora, ClipFilter, GroupWeight};
pub use whiten::{Whiten, whiten};

use crate::{
    shape::Rewards,
    types::{Advantages, Needs, Sample, ScoredBatch},
};

/// Turns the rewards of a batch into advantages.
pub trait AdvantageEstimator: Send + Sync {
    /// What the estimator reads beside rewards.
    fn needs(&self) -> Needs;

    /// One advantage a response token, computed in f64 from shaped rewards.
    fn estimate(&self, batch: &ScoredBatch, rewards: &Rewards) -> Advantages;
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
