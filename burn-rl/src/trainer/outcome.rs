//! What a run leaves in memory.

use super::{Skipped, Trainer};
use crate::{learner::Policy, metrics::Metrics, run_dir::RunDir, types::Prompt};
use std::{collections::BTreeMap, sync::Arc};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// All steps are done.
    Done,
    /// It was asked to stop, and saved a checkpoint if it has a run directory.
    Interrupted,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub end: RunEnd,
    /// The numbers of every step that this process has done.
    pub history: History,
}

/// The numbers of the steps of a run, by name: what `metrics.jsonl` holds.
///
/// ```
/// use burn_rl::{metrics::Metrics, trainer::History};
///
/// let mut history = History::default();
/// let mut metrics = Metrics::new();
/// metrics.set("reward/mean", 0.5);
/// history.add(1, &metrics);
/// assert_eq!(history.curve("reward/mean"), [(1, 0.5)]);
/// assert_eq!(history.last("reward/mean"), Some(0.5));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History(BTreeMap<String, Vec<(u64, f64)>>);

impl History {
    /// Adds the numbers of a step.
    pub fn add(&mut self, step: u64, metrics: &Metrics) {
        for (name, value) in metrics.iter() {
            match self.0.get_mut(name) {
                Some(curve) => curve.push((step, value)),
                None => _ = self.0.insert(name.to_owned(), vec![(step, value)]),
            }
        }
    }

    /// A number at every step that has it, as `(step, value)`; step 0 is before the first update.
    pub fn curve(&self, name: &str) -> &[(u64, f64)] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The newest value of a number.
    pub fn last(&self, name: &str) -> Option<f64> {
        self.curve(name).last().map(|(_, value)| *value)
    }

    /// The names of all numbers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl<P: Policy> Trainer<P> {
    /// Steps done so far, those before a resumed run's checkpoint included.
    pub fn done(&self) -> u64 {
        self.done
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
