//! Evaluations of a run, and those that an interrupted one has left to the next.

use super::Trainer;
use crate::{
    config::EvalWeights,
    error::RlError,
    eval::evaluate,
    learner::Policy,
    metrics::Metrics,
    observer::{Event, Observer, Phase},
    rollout::{make_portable, tell_notices},
    run_dir::RunDir,
};
use run_log::{rollout_log::write_rollouts, step_log};

impl<P: Policy> Trainer<P> {
    /// Measures before the first step, and what the last step of an interrupted run has left
    /// unmeasured; false if the run is to stop.
    pub(super) fn measure_owed(&mut self, watch: &mut dyn Observer) -> Result<bool, RlError> {
        let mut metrics = match self.owed.take() {
            Some(metrics) => metrics,
            None if self.done == 0 => Metrics::new(),
            None => return Ok(true),
        };
        let before = metrics.clone();
        let measured = self.evaluate(self.done, &mut metrics, watch)?;
        if self.done > 0 {
            let mut more = Metrics::new();
            let new = metrics
                .iter()
                .filter(|(name, _)| before.get(name).is_none());
            new.for_each(|(name, value)| more.set(name, value));
            self.history.add(self.done, &more);
            for sink in self.sinks.iter_mut().filter(|_| !more.is_empty()) {
                sink.amend(self.done, &more)?;
                sink.flush()?;
            }
        } else if measured && !metrics.is_empty() {
            self.emit(0, &metrics)?;
        }
        Ok(measured)
    }

    /// Measures every set that is due and not measured yet; false if the run is to stop.
    pub(super) fn evaluate(
        &mut self,
        step: u64,
        metrics: &mut Metrics,
        watch: &mut dyn Observer,
    ) -> Result<bool, RlError> {
        for i in 0..self.evaluations.len() {
            let (name, every) = {
                let config = &self.evaluations[i].config;
                (config.name.clone(), config.every)
            };
            let is_due = step == 0 || self.is_due(step, every);
            if !is_due || has_measured(metrics, &name) {
                continue;
            }
            if self.stop.is_requested() {
                return Ok(false);
            }
            match self.measure(i, step, watch) {
                Ok(found) => metrics.merge(found),
                Err(error) if self.stop.is_requested() => {
                    tracing::info!("the evaluation after step {step} was stopped: {error}");
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn measure(
        &mut self,
        set: usize,
        step: u64,
        watch: &mut dyn Observer,
    ) -> Result<Metrics, RlError> {
        let set = &self.evaluations[set];
        let config = &set.config;
        let average = self.learner.average();
        let average = average.filter(|_| config.weights == EvalWeights::Average);
        if let Some(model) = average {
            self.engine.sync(&[model])?;
        }
        let (engine, rule) = (self.engine.as_ref(), self.reward.as_ref());
        let total = set.prompts.len() * config.draws;
        watch.event(Event::Progress(Phase::Eval, 0, total));
        let progress = &mut |done| watch.event(Event::Progress(Phase::Eval, done, total));
        let cancel = Some(self.stop.requested());
        let found = evaluate(config, engine, &set.prompts, rule, step, cancel, progress);
        tell_notices(rule, step, watch);
        let mut found = found?;
        if average.is_some() {
            self.engine.sync(&self.learner.replicas())?;
        }
        if let Some(run) = &self.run {
            make_portable(&mut found.records, run.root());
            write_rollouts(&run.eval(&config.name, step), &found.records)?;
        }
        watch.event(Event::Evaluated(step, &found.metrics));
        Ok(found.metrics)
    }
}

fn has_measured(metrics: &Metrics, set: &str) -> bool {
    metrics.get(&format!("eval/{set}/tokens")).is_some()
}

/// The numbers of the last step of a run that is continued, if it lacks evaluations that `due` names.
pub(super) fn owed(run: &RunDir, done: u64, due: &[&str]) -> Result<Option<Metrics>, RlError> {
    if done == 0 {
        return Ok(None);
    }
    let mut steps = step_log::read(&run.metrics())?.into_iter();
    let last = steps
        .find(|(step, _)| *step == done)
        .map(|(_, metrics)| metrics);
    Ok(last.filter(|metrics| due.iter().any(|set| !has_measured(metrics, set))))
}
