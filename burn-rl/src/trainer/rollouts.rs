//! The completions of a step: sampled, and logged.

use super::Trainer;
use crate::{
    error::RlError,
    learner::{Policy, TrainBatch},
    observer::Observer,
    rollout::{CollectInputs, Collected, Collector, make_portable, records},
};
use run_log::rollout_log::write_rollouts;

impl<P: Policy> Trainer<P> {
    /// The rollouts of a step; none if the run was asked to stop.
    pub(super) fn sample(
        &mut self,
        collector: &mut Collector,
        step: u64,
        watch: &mut dyn Observer,
    ) -> Result<Option<Collected>, RlError> {
        let mut sources = CollectInputs {
            train: self.train.as_mut(),
            engine: self.engine.as_ref(),
            reward: self.reward.as_ref(),
            recipe: &self.recipe,
            rollout: &self.rollout,
            logprob_temperature: self.logprob_temperature,
            filter: &self.filter,
            stop: &self.stop,
        };
        collector.collect(&mut sources, step, watch)
    }

    /// Writes what a step has sampled, with what was learned from it.
    pub(super) fn log_rollouts(
        &self,
        step: u64,
        found: &Collected,
        batch: &TrainBatch,
    ) -> Result<(), RlError> {
        let Some(run) = &self.run else { return Ok(()) };
        let mut rows = vec![];
        for sampled in &found.sampled {
            let index = found
                .groups
                .iter()
                .position(|l| l.position == sampled.position);
            let samples = index.map_or(0..0, |i| batch.scored.groups[i].clone());
            let advantages: Vec<_> = samples.map(|i| batch.mean_advantage(i)).collect();
            // Not those that passed the filters and were thrown away because the batch was full.
            let kept = index.is_some() || self.collector.is_waiting(sampled.position);
            rows.extend(records(&sampled.group, step, kept, &advantages));
        }
        make_portable(&mut rows, run.root());
        Ok(write_rollouts(&run.rollouts(step), &rows)?)
    }
}
