//! From a scored batch to new weights.

mod apply;
mod average;
mod batch;
mod collective;
mod concurrency;
mod critic;
mod demonstrations;
mod micro;
mod optimizer;
mod policy;
mod policy_gradient;
mod replicate;
mod schedule;
mod state;
mod stats;
mod step_plan;
pub mod tape;
mod vlm;
mod weights;

pub use apply::{Applied, StepNumbers};
pub use average::blend;
pub use batch::{MicroBatch, TrainBatch, TrainRow};
pub(crate) use collective::gather;
pub use collective::{Collective, FlatGrads, Replica, Shared};
pub use concurrency::each_part;
pub use critic::Critic;
pub use demonstrations::Demonstrations;
pub use optimizer::{AdamW, global_norm};
pub use policy::{PassOptions, Policy};
pub use policy_gradient::PolicyGradient;
pub(crate) use replicate::difference;
pub use replicate::{Checksum, Replicate, checksums};
pub use schedule::learning_rate;

use crate::{error::RlError, metrics::Metrics, stop::StopFlag};
use std::path::Path;

/// The moving average of the weights, in a checkpoint: a model directory of its own.
pub const AVERAGE_DIR: &str = "average";

/// Turns a scored batch into an update.
pub trait Learner: Send {
    /// What it trains.
    type Policy: Policy;

    /// Fills in what the algorithm needs to know before anything is updated: log-probabilities,
    /// values, and what earlier steps left behind. Log-probabilities that are there already stay.
    ///
    /// # Errors
    /// [`RlError::Training`] where a device fails.
    fn score(&self, batch: &mut TrainBatch) -> Result<(), RlError>;

    /// Fills in the log-probabilities under the policy as it is, for groups whose update comes
    /// after others.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    fn fill_old_logprobs(&self, batch: &mut TrainBatch) -> Result<(), RlError>;

    /// Learns from a batch; `step` counts from 1.
    ///
    /// # Errors
    /// [`RlError::Training`] where learning cannot go on; [`RlError::Stopped`] where the run is
    /// stopped and the update had to be given up: everything is then as before it.
    fn update(&mut self, batch: &TrainBatch, step: u64) -> Result<Metrics, RlError>;

    /// Is given what asks the run to stop, before the first step. Scoring then ends with
    /// [`RlError::Stopped`] once it is asked to, and an update once it is overdue.
    fn stop_on(&mut self, _stop: &StopFlag) {}

    /// The policy as it is now.
    fn model(&self) -> &Self::Policy;

    /// The same on every device that it is trained on, [`model`](Self::model) first.
    fn replicas(&self) -> Vec<&Self::Policy> {
        vec![self.model()]
    }

    /// The moving average of its weights, if there is one.
    fn average(&self) -> Option<&Self::Policy>;

    /// Writes everything but the weights that the next update depends on. The moving average goes
    /// into [`AVERAGE_DIR`].
    ///
    /// # Errors
    /// Anything the file system refuses.
    fn save(&self, dir: &Path) -> Result<(), RlError>;

    /// Continues from `model` and what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// A checkpoint that is not whole or belongs to another model.
    fn restore(&mut self, model: Self::Policy, dir: &Path) -> Result<(), RlError>;
}
