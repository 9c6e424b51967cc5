//! What a run leaves in memory.

use super::{Skipped, Trainer};
use crate::{learner::Policy, run_dir::RunDir, types::Prompt};
use run_log::History;
use std::sync::Arc;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// All steps are done.
    Done,
    /// It was asked to stop, and saved a checkpoint if it has a run directory.
    Interrupted,
}

/// What a run came to.
///
/// ```
/// # fn of(trainer: &mut burn_rl::Trainer) -> Result<(), burn_rl::RlError> {
/// use burn_rl::{NoObserver, trainer::{Outcome, RunEnd}};
///
/// let Outcome { end, history } = trainer.run(&mut NoObserver)?;
/// if end == RunEnd::Interrupted {
///     println!("stopped after {} steps", history.get("reward/mean").len());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub end: RunEnd,
    /// The curve of every number over the steps that this process has done; step 0 is before the
    /// first update.
    pub history: History,
}

impl<P: Policy> Trainer<P> {
    /// Steps done so far, those before a resumed run's checkpoint included.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Whether a run that is continued is done already.
    pub fn has_nothing_to_do(&self) -> bool {
        self.done >= self.steps && self.owed.is_none() && self.steps > 0
    }

    /// Where its files go, if it writes any.
    pub fn run_dir(&self) -> Option<&RunDir> {
        self.run.as_ref()
    }

    /// Data rows that were left out, by data set; see `data.on_error`.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// The prompts of the first evaluation.
    pub fn held_out(&self) -> &[Arc<Prompt>] {
        self.evaluations.first().map_or(&[], |set| &set.prompts)
    }

    /// The policy as it is now.
    pub fn policy(&self) -> &P {
        self.learner.model()
    }
}
