//! The loop: the only place that knows the order of phases.
//!
//! ```text
//! prompts → rollouts → rewards → filter ─┬─ again, until the batch is full
//!         → scoring → advantages → update → sync
//!         → metrics → rollout log → evaluation → checkpoint
//! ```

mod build;
mod builder;
mod inputs;
mod kit;
mod measure;
mod outcome;
mod replay;
mod resume;
mod rollouts;

pub use builder::TrainerBuilder;
pub use inputs::{Prompts, Skipped};
pub use outcome::{Outcome, RunEnd};
pub use run_log::History;

use crate::{
    checkpoint::{self, MadeOf, TrainerState},
    clock::Clock,
    config::{CheckpointConfig, EvalConfig, FilterConfig, RolloutConfig},
    data::{DataFingerprint, PromptSource},
    error::RlError,
    learner::{Learner, Policy, TrainBatch},
    metrics::{Metrics, Sink},
    observer::{Event, Observer, Phase},
    recipe::{CompletionSource, Recipe},
    rollout::{Collector, RolloutEngine},
    run_dir::RunDir,
    step_metrics,
    stop::StopFlag,
    types::Prompt,
};
use burn_rewards::RewardFn;
use burn_vlm::{Processor, Vlm, device::memory_bytes};
use run_log::diagnostics::{Diagnostics, Warning};
use std::{collections::BTreeMap, sync::Arc};

/// A run, ready to go. [`Trainer::builder`] and [`Trainer::of_policy`] make one.
pub struct Trainer<P: Policy = Vlm> {
    seed: u64,
    steps: u64,
    epochs: usize,
    rollout: RolloutConfig,
    /// Temperature at which the learner takes log-probabilities.
    logprob_temperature: f64,
    filter: FilterConfig,
    checkpoint: CheckpointConfig,
    /// None for a run that writes no file.
    run: Option<RunDir>,
    train: Box<dyn PromptSource>,
    /// What the run is trained and measured on, by the name of its section.
    data: BTreeMap<String, DataFingerprint>,
    made_of: MadeOf,
    skipped: Vec<Skipped>,
    evaluations: Vec<EvalSet>,
    reward: Box<dyn RewardFn>,
    recipe: Arc<Recipe>,
    engine: Box<dyn RolloutEngine<P>>,
    collector: Collector,
    learner: Box<dyn Learner<Policy = P>>,
    /// Saved beside weights.
    processor: Option<Arc<Processor>>,
    diagnostics: Diagnostics,
    /// What a person should know of the settings, told when the run starts.
    warnings: Vec<Warning>,
    sinks: Vec<Box<dyn Sink>>,
    /// Most bytes that a device was seen to hold.
    peak_bytes: Option<f64>,
    /// Asks the run to stop.
    stop: StopFlag,
    /// Steps done.
    done: u64,
    /// The numbers of the last step, where it was saved before all its evaluations were made.
    owed: Option<Metrics>,
    history: History,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StepEnd {
    /// With everything that belongs to it.
    Whole,
    /// The run is to stop, and nothing was learned.
    Abandoned,
    /// The run is to stop; what was learned is not measured yet.
    NotMeasured,
}

/// Held-out rows and how they are measured.
struct EvalSet {
    config: EvalConfig,
    prompts: Vec<Arc<Prompt>>,
}

impl<P: Policy> Trainer<P> {
    /// Runs to the last step.
    ///
    /// # Errors
    /// Input that cannot be used, or a run that cannot go on.
    pub fn run(&mut self, watch: &mut dyn Observer) -> Result<Outcome, RlError> {
        let end = self.run_steps(watch)?;
        let history = std::mem::take(&mut self.history);
        Ok(Outcome { end, history })
    }

    fn run_steps(&mut self, watch: &mut dyn Observer) -> Result<RunEnd, RlError> {
        for warning in &self.warnings {
            watch.event(Event::Warned(warning));
        }
        if !self.measure_owed(watch)? {
            self.save(self.done, watch)?;
            return Ok(RunEnd::Interrupted);
        }
        for step in self.done + 1..=self.steps {
            let end = self.step(step, watch)?;
            if end != StepEnd::Abandoned {
                self.done = step;
            }
            if end != StepEnd::Whole {
                self.save(self.done, watch)?;
                return Ok(RunEnd::Interrupted);
            }
        }
        Ok(RunEnd::Done)
    }

    fn step(&mut self, step: u64, watch: &mut dyn Observer) -> Result<StepEnd, RlError> {
        let mut clock = Clock::start();
        let mut metrics = Metrics::new();
        let mut collector = self.collector.clone();
        let found = self.sample(&mut collector, step, watch);
        let found = found.inspect_err(|error| self.save_what_was_learned(step, error, watch))?;
        let Some(found) = found else {
            return Ok(StepEnd::Abandoned);
        };
        step_metrics::of_collected(&found, &self.recipe, &mut metrics);
        clock.lap();

        let mut batch = TrainBatch::new(&found.groups, self.logprob_temperature);
        batch.mini_batch = collector.mini_batch();
        watch.event(Event::Progress(Phase::Update, 0, batch.rows.len()));
        let (mut score_s, mut update_s) = (0.0, 0.0);
        if !batch.rows.is_empty() {
            let scored = self.score(&mut batch, &mut collector);
            score_s = clock.lap();
            match scored.and_then(|()| self.learner.update(&batch, step)) {
                Ok(found) => metrics.merge(found),
                Err(error) if error.is_stopped() || self.stop.is_overdue() => {
                    return Ok(StepEnd::Abandoned);
                }
                Err(error) => return Err(error),
            }
            self.engine.sync(&self.learner.replicas())?;
            update_s = clock.lap();
        }
        self.collector = collector;

        if self.recipe.source() == CompletionSource::Policy {
            self.log_rollouts(step, &found, &batch)?;
        }
        let trained = batch.tokens() * self.epochs;
        metrics.set("time/rollout_s", found.rollout_s);
        metrics.set("time/reward_s", found.reward_s);
        metrics.set("time/score_s", score_s);
        metrics.set("time/update_s", update_s);
        metrics.set("time/step_s", clock.total());
        let rates = [
            ("rollout", found.sampled_tokens(), found.rollout_s),
            ("train", trained, score_s + update_s),
        ];
        step_metrics::of_rates(&rates, &mut metrics);
        self.note_memory();
        if let Some(bytes) = self.peak_bytes {
            metrics.set("memory/peak_bytes", bytes);
        }
        let measured = self.evaluate(step, &mut metrics, watch)?;
        self.emit(step, &metrics)?;
        watch.event(Event::Stepped(step, &metrics));
        for warning in self.diagnostics.observe(step, &metrics) {
            watch.event(Event::Warned(&warning));
        }
        if !measured {
            return Ok(StepEnd::NotMeasured);
        }
        if self.is_due(step, self.checkpoint.every) {
            self.save(step, watch)?;
        }
        Ok(StepEnd::Whole)
    }

    /// Makes a batch ready to be learned from.
    fn score(&mut self, batch: &mut TrainBatch, collector: &mut Collector) -> Result<(), RlError> {
        self.engine.release();
        self.note_memory();
        for replica in self.learner.replicas() {
            replica.device().memory_cleanup();
        }
        self.learner.score(batch)?;
        batch.advantages = self.recipe.advantages(&batch.scored)?;
        // Groups that wait are learned from after this update: what they were sampled with is
        // noted while it is still there.
        let mut waiting = TrainBatch::new(collector.waiting(), self.logprob_temperature);
        self.learner.fill_old_logprobs(&mut waiting)?;
        collector.set_scores(waiting.scored);
        Ok(())
    }

    fn save(&self, step: u64, watch: &mut dyn Observer) -> Result<(), RlError> {
        let Some(run) = &self.run else { return Ok(()) };
        let (data, made_of) = (self.data.clone(), self.made_of.clone());
        let state = TrainerState::new(step, self.seed, self.collector.state(), data, made_of);
        let (learner, keep) = (self.learner.as_ref(), self.checkpoint.keep);
        let path = checkpoint::save(run, learner, self.processor.as_deref(), &state, keep)?;
        watch.event(Event::Saved(&path));
        Ok(())
    }

    /// If sampling fails, saves the step before, so that finished work is not lost.
    fn save_what_was_learned(&self, step: u64, error: &RlError, watch: &mut dyn Observer) {
        if step == 1 {
            return;
        }
        if let Err(second) = self.save(step - 1, watch) {
            // The first error is the one to report.
            tracing::error!("after \"{error}\", saving failed too: {second}");
        }
    }

    fn note_memory(&mut self) {
        let replicas = self.learner.replicas().into_iter();
        let held = replicas.filter_map(|replica| memory_bytes(&replica.device()));
        self.peak_bytes = held.chain(self.peak_bytes).reduce(f64::max);
    }

    fn emit(&mut self, step: u64, metrics: &Metrics) -> Result<(), RlError> {
        self.history.add(step, metrics);
        for sink in &mut self.sinks {
            sink.step(step, metrics)?;
            sink.flush()?;
        }
        Ok(())
    }

    fn is_due(&self, step: u64, every: u64) -> bool {
        is_due(step, every, self.steps)
    }
}

/// Whether what happens every so many steps, and after the last of `steps`, happens after `step`.
fn is_due(step: u64, every: u64, steps: u64) -> bool {
    step == steps || (every > 0 && step.is_multiple_of(every))
}
