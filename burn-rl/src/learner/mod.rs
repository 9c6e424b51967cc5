//! From a scored batch to new weights.

mod batch;
mod optimizer;
mod policy_gradient;
mod schedule;
mod stats;
pub mod tape;

pub use batch::{TrainBatch, TrainRow};
pub use optimizer::AdamW;
pub use policy_gradient::PolicyGradient;
pub use schedule::learning_rate;

use crate::{error::RlError, metrics::Metrics};
use burn_vlm::Vlm;
use std::path::Path;

/// Turns a scored batch into an update.
pub trait Learner: Send {
    /// Fills in the log-probabilities that the algorithm needs before anything is updated.
    fn score(&self, batch: &mut TrainBatch);

    /// Learns from a batch; `step` counts from 1.
    ///
    /// # Errors
    /// [`RlError::Training`] where learning cannot go on.
    fn update(&mut self, batch: &TrainBatch, step: u64) -> Result<Metrics, RlError>;

    /// The policy as it is now.
    fn model(&self) -> &Vlm;

    /// Writes everything but the weights that the next update depends on.
    ///
    /// # Errors
    /// Anything the file system refuses.
    fn save(&self, dir: &Path) -> Result<(), RlError>;

    /// Continues from `model` and what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// A checkpoint that is not whole or belongs to another model.
    fn restore(&mut self, model: Vlm, dir: &Path) -> Result<(), RlError>;
}
