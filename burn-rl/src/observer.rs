//! What the loop tells those who watch it.

use crate::metrics::Metrics;
use run_log::diagnostics::Warning;
use std::path::Path;

/// What a run does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Sampling completions.
    Rollout,
    /// Learning from them.
    Update,
    /// Measuring on held-out data.
    Eval,
}

/// What an [`Observer`] is told.
#[derive(Debug)]
pub enum Event<'a> {
    /// A phase has done `done` of `total` completions.
    Progress(Phase, usize, usize),
    /// An evaluation is over, with its `eval/<set>/…` numbers; step 0 is before the first update.
    Evaluated(u64, &'a Metrics),
    /// A step is over.
    Stepped(u64, &'a Metrics),
    /// The numbers of the last step show a known failure pattern.
    Warned(&'a Warning),
    /// A checkpoint is whole.
    Saved(&'a Path),
}

/// Someone who watches a run: a progress bar, a test.
pub trait Observer {
    /// Something happened.
    fn event(&mut self, event: Event<'_>);
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn event(&mut self, _: Event<'_>) {}
}
