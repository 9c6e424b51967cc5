//! What becomes of a batch in which the algorithm's filters leave gaps.

use crate::{
    error::RlError,
    filter::ShortBatch,
    recipe::{Leftovers, Recipe},
};
use serde::{Deserialize, Serialize};

/// Rollouts without an update after which a run ends, where neither the configuration nor the
/// algorithm says.
const MAX_ROUNDS: usize = 10;

/// What becomes of a batch in which groups are missing. Which groups these are is the algorithm's
/// business: its filters are among the options of `[algo]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct FilterConfig {
    /// What becomes of the batch.
    pub short_batch: ShortBatchChoice,
    /// Rollouts of a step that refills its batch: 0 draws until it is full; with 1 a step is one
    /// rollout, and one that leaves the batch short waits for the next step without an update.
    pub rounds_per_step: usize,
    /// Most rollouts in a row without an update; after them the run ends and says what dropped the
    /// groups. 0 is what the algorithm says, else 10.
    pub max_rounds: usize,
}

/// A [`ShortBatch`], or the algorithm's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ShortBatchChoice {
    /// What the algorithm says: refilling where it samples dynamically, else a smaller batch.
    #[default]
    Algorithm,
    /// [`ShortBatch::Smaller`]
    Smaller,
    /// [`ShortBatch::FewerUpdates`]
    FewerUpdates,
    /// [`ShortBatch::RefillCarry`]
    RefillCarry,
    /// [`ShortBatch::RefillDiscard`]
    RefillDiscard,
}

impl FilterConfig {
    /// Refuses what can do nothing for `recipe`.
    pub(super) fn check(&self, recipe: &Recipe) -> Result<(), RlError> {
        if self.rounds_per_step > 0 && !self.short_batch(recipe).refills() {
            return Err(RlError::Config(format!(
                "filter.rounds_per_step is {}, but no batch is refilled: expected 0, or \
                 filter.short_batch = \"refill_carry\" or \"refill_discard\"",
                self.rounds_per_step
            )));
        }
        Ok(())
    }

    /// What becomes of a short batch of `recipe`.
    pub fn short_batch(&self, recipe: &Recipe) -> ShortBatch {
        match self.short_batch {
            ShortBatchChoice::Algorithm => match recipe.refill().map(|r| r.leftovers) {
                None => ShortBatch::Smaller,
                Some(Leftovers::Carry) => ShortBatch::RefillCarry,
                Some(Leftovers::Discard) => ShortBatch::RefillDiscard,
            },
            ShortBatchChoice::Smaller => ShortBatch::Smaller,
            ShortBatchChoice::FewerUpdates => ShortBatch::FewerUpdates,
            ShortBatchChoice::RefillCarry => ShortBatch::RefillCarry,
            ShortBatchChoice::RefillDiscard => ShortBatch::RefillDiscard,
        }
    }

    /// Most rollouts of `recipe` in a row without an update.
    pub fn max_rounds(&self, recipe: &Recipe) -> usize {
        match self.max_rounds {
            0 => recipe.refill().map_or(MAX_ROUNDS, |r| r.max_rounds),
            given => given,
        }
    }
}
