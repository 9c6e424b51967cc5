//! The loop: the only place that knows the order of phases.
//!
//! ```text
//! prompts → rollouts → rewards → filter ─┬─ again, until the batch is full
//!         → scoring → advantages → update → sync
//!         → metrics → rollout log → evaluation → checkpoint
//! ```

use crate::{
    checkpoint::{self, TrainerState},
    clock::Clock,
    config::{EvalWeights, RunConfig},
    data::PromptSet,
    error::RlError,
    eval::evaluate,
    learner::{Learner, TrainBatch},
    metrics::{Metrics, Sink},
    observer::{Event, Observer, Phase},
    recipe::{CompletionSource, Recipe},
    rollout::{CollectInputs, Collected, Collector, RolloutEngine, make_portable, records},
    run_dir::RunDir,
    step_metrics,
    types::Prompt,
};
use burn_rewards::RewardFn;
use burn_vlm::{Processor, device::memory_bytes};
use run_log::{diagnostics::Diagnostics, rollout_log::write_rollouts};
use std::sync::{Arc, atomic::AtomicBool};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are done.
    Done,
    /// It was asked to stop, and saved a checkpoint.
    Interrupted,
}

/// Everything a run is made of.
pub struct Trainer {
    /// The resolved configuration.
    pub config: RunConfig,
    /// Where files go.
    pub run: RunDir,
    /// Training rows.
    pub train: PromptSet,
    /// Held-out rows, if any.
    pub held_out: Vec<Arc<Prompt>>,
    /// Scores completions.
    pub reward: Box<dyn RewardFn>,
    /// The algorithm.
    pub recipe: Arc<Recipe>,
    /// Samples completions.
    pub engine: Box<dyn RolloutEngine>,
    /// Where sampling stands.
    pub collector: Collector,
    /// Learns from them.
    pub learner: Box<dyn Learner>,
    /// Saved beside weights.
    pub processor: Arc<Processor>,
    /// Looks for known failure patterns in the numbers.
    pub diagnostics: Diagnostics,
    /// Where numbers go.
    pub sinks: Vec<Box<dyn Sink>>,
    /// Most bytes that a device was seen to hold.
    pub peak_bytes: Option<f64>,
    /// Set to true from outside to stop at the next safe point.
    pub stop: Arc<AtomicBool>,
}

impl Trainer {
    /// Runs from `done` finished steps to the end.
    ///
    /// # Errors
    /// Input that cannot be used, or a run that cannot go on.
    pub fn run(&mut self, done: u64, watch: &mut dyn Observer) -> Result<Outcome, RlError> {
        if done == 0 {
            let mut metrics = Metrics::new();
            self.evaluate(0, &mut metrics, watch)?;
            if !metrics.is_empty() {
                self.emit(0, &metrics)?;
            }
        }
        for step in done + 1..=self.config.train.steps {
            if !self.step(step, watch)? {
                self.save(step - 1, watch)?;
                return Ok(Outcome::Interrupted);
            }
        }
        Ok(Outcome::Done)
    }

    /// One step; false if the run was asked to stop before its update began.
    fn step(&mut self, step: u64, watch: &mut dyn Observer) -> Result<bool, RlError> {
        let mut clock = Clock::start();
        let mut metrics = Metrics::new();
        let mut collector = self.collector.clone();
        let mut sources = CollectInputs {
            train: &mut self.train,
            engine: self.engine.as_ref(),
            reward: self.reward.as_ref(),
            recipe: &self.recipe,
            config: &self.config,
            stop: &self.stop,
        };
        let found = collector.collect(&mut sources, step, watch);
        let found = found.inspect_err(|error| self.save_what_was_learned(step, error, watch))?;
        let Some(found) = found else {
            return Ok(false);
        };
        step_metrics::of_collected(&found, &self.recipe, &mut metrics);
        clock.lap();

        let mut batch = TrainBatch::new(&found.groups);
        batch.mini_batch = collector.mini_batch();
        watch.event(Event::Progress(Phase::Update, 0, batch.rows.len()));
        let (mut score_s, mut update_s) = (0.0, 0.0);
        if !batch.rows.is_empty() {
            self.engine.release();
            self.note_memory();
            for replica in self.learner.replicas() {
                replica.device().memory_cleanup();
            }
            self.learner.score(&mut batch)?;
            batch.advantages = self.recipe.advantages(&batch.scored)?;
            // Groups that wait are learned from after this update: what they were sampled with is
            // noted while it is still there.
            let mut waiting = TrainBatch::new(collector.waiting());
            self.learner.fill_old_logprobs(&mut waiting)?;
            collector.set_scores(waiting.scored);
            score_s = clock.lap();
            metrics.merge(self.learner.update(&batch, step)?);
            self.engine.sync(&self.learner.replicas())?;
            update_s = clock.lap();
        }
        self.collector = collector;

        if self.recipe.source() == CompletionSource::Policy {
            self.log_rollouts(step, &found, &batch)?;
        }
        let trained = batch.tokens() * self.config.train.epochs;
        metrics.set("time/rollout_s", found.rollout_s);
        metrics.set("time/reward_s", found.reward_s);
        metrics.set("time/score_s", score_s);
        metrics.set("time/update_s", update_s);
        metrics.set("time/step_s", clock.total());
        let rates = [
            ("rollout", found.sampled_tokens(), found.rollout_s),
            ("train", trained, score_s + update_s),
        ];
        for (what, tokens, seconds) in rates {
            if tokens > 0 {
                let name = format!("throughput/{what}_tokens_per_s");
                metrics.set(name, tokens as f64 / seconds);
            }
        }
        self.note_memory();
        if let Some(bytes) = self.peak_bytes {
            metrics.set("memory/peak_bytes", bytes);
        }
        if self.is_due(step, self.config.eval.every) {
            self.evaluate(step, &mut metrics, watch)?;
        }
        self.emit(step, &metrics)?;
        watch.event(Event::Stepped(step, &metrics));
        for warning in self.diagnostics.observe(step, &metrics) {
            watch.event(Event::Warned(&warning));
        }
        if self.is_due(step, self.config.checkpoint.every) {
            self.save(step, watch)?;
        }
        Ok(true)
    }

    fn log_rollouts(
        &self,
        step: u64,
        found: &Collected,
        batch: &TrainBatch,
    ) -> Result<(), RlError> {
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
        make_portable(&mut rows, self.run.root());
        Ok(write_rollouts(&self.run.rollouts(step), &rows)?)
    }

    fn evaluate(
        &mut self,
        step: u64,
        metrics: &mut Metrics,
        watch: &mut dyn Observer,
    ) -> Result<(), RlError> {
        let config = &self.config.eval;
        let total = self.held_out.len() * config.draws;
        if total == 0 {
            return Ok(());
        }
        let average = self.learner.average();
        let average = average.filter(|_| config.weights == EvalWeights::Average);
        if let Some(model) = average {
            self.engine.sync(&[model])?;
        }
        let (engine, rule) = (self.engine.as_ref(), self.reward.as_ref());
        watch.event(Event::Progress(Phase::Eval, 0, total));
        let progress = &mut |done| watch.event(Event::Progress(Phase::Eval, done, total));
        let mut found = evaluate(config, engine, &self.held_out, rule, step, progress)?;
        if average.is_some() {
            self.engine.sync(&self.learner.replicas())?;
        }
        make_portable(&mut found.records, self.run.root());
        write_rollouts(&self.run.eval(&config.name, step), &found.records)?;
        watch.event(Event::Evaluated(step, &found.metrics));
        metrics.merge(found.metrics);
        Ok(())
    }

    fn save(&self, step: u64, watch: &mut dyn Observer) -> Result<(), RlError> {
        let sampling = self.collector.state();
        let state = TrainerState::new(step, self.config.seed, sampling);
        let keep = self.config.checkpoint.keep;
        let path = checkpoint::save(
            &self.run,
            self.learner.as_ref(),
            &self.processor,
            &state,
            keep,
        )?;
        watch.event(Event::Saved(&path));
        Ok(())
    }

    /// A step that fails while it samples takes none before it along.
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
        for sink in &mut self.sinks {
            sink.step(step, metrics)?;
            sink.flush()?;
        }
        Ok(())
    }

    fn is_due(&self, step: u64, every: u64) -> bool {
        step == self.config.train.steps || (every > 0 && step.is_multiple_of(every))
    }
}
