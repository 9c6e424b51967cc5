//! The loop: the only place that knows the order of phases.
//!
//! ```text
//! prompts → rollouts → rewards → filter → scoring → advantages → update → sync
//!         → metrics → rollout log → evaluation → checkpoint
//! ```

use crate::{
    checkpoint::{self, TrainerState},
    clock::Clock,
    config::RunConfig,
    data::PromptSet,
    error::RlError,
    eval::{self, evaluate},
    filter::Verdict,
    learner::{Learner, TrainBatch},
    metrics::{Metrics, Sink, rollout_log::write_rollouts},
    observer::{Event, Observer, Phase},
    recipe::{Recipe, Source},
    rollout::{self, LocalEngine, RolloutEngine, demonstrations},
    run_dir::RunDir,
    step_metrics,
    types::{Group, Prompt},
};
use burn_rewards::RewardFn;
use burn_vlm::{Processor, generate::Sampling};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

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
    pub engine: LocalEngine,
    /// Learns from them.
    pub learner: Box<dyn Learner>,
    /// Saved beside weights.
    pub processor: Arc<Processor>,
    /// Where numbers go.
    pub sinks: Vec<Box<dyn Sink>>,
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
        let per_step = self.config.rollout.prompts_per_step;
        let prompts = self.train.draw((step - 1) * per_step as u64, per_step)?;

        let mut groups = self.rollouts(&prompts, step, watch)?;
        let rollout_s = clock.lap();
        if self.recipe.source == Source::Policy {
            rollout::reward(&mut groups, self.reward.as_ref())?;
            step_metrics::of_rollouts(&groups, &mut metrics);
        }
        let reward_s = clock.lap();
        if self.stop.load(Ordering::Relaxed) {
            return Ok(false);
        }

        let verdicts = self.filter(&groups, &mut metrics);
        let kept: Vec<(&Group, &Verdict)> = groups
            .iter()
            .zip(&verdicts)
            .filter(|(_, v)| v.keeps())
            .collect();
        let mut batch = TrainBatch::new(kept.iter().map(|(group, _)| *group));
        for (range, (_, verdict)) in batch.scored.groups.clone().into_iter().zip(&kept) {
            if let Verdict::Mask(_, places) = verdict {
                batch
                    .scored
                    .mask_out(places.iter().map(|place| range.start + place));
            }
        }
        watch.event(Event::Progress(Phase::Update, 0, batch.rows.len()));
        self.learner.score(&mut batch);
        batch.credit = self.recipe.credit(&batch.scored);
        let score_s = clock.lap();

        step_metrics::of_lengths(&groups, &mut metrics);
        if !batch.rows.is_empty() {
            metrics.merge(self.learner.update(&batch, step)?);
        }
        self.engine.sync(self.learner.model());
        let update_s = clock.lap();

        if self.recipe.source == Source::Policy {
            self.log_rollouts(step, &groups, &verdicts, &batch)?;
        }
        let sampled: usize = groups
            .iter()
            .flat_map(|g| &g.rollouts)
            .map(|r| r.tokens.len())
            .sum();
        let trained: usize = batch
            .rows
            .iter()
            .map(|r| r.prompt.tokens.len() + r.response.len())
            .sum();
        metrics.set("time/rollout_s", rollout_s);
        metrics.set("time/reward_s", reward_s);
        metrics.set("time/score_s", score_s);
        metrics.set("time/update_s", update_s);
        metrics.set("time/step_s", clock.total());
        if self.recipe.source == Source::Policy {
            metrics.set(
                "throughput/rollout_tokens_per_s",
                sampled as f64 / rollout_s,
            );
        }
        let passes = (trained * self.config.train.epochs) as f64;
        metrics.set(
            "throughput/train_tokens_per_s",
            passes / (score_s + update_s),
        );
        if let Some(bytes) = step_metrics::peak_memory_bytes() {
            metrics.set("memory/peak_bytes", bytes);
        }
        if self.is_due(step, self.config.eval.every) {
            self.evaluate(step, &mut metrics, watch)?;
        }
        self.emit(step, &metrics)?;
        watch.event(Event::Stepped(step, &metrics));
        if self.is_due(step, self.config.checkpoint.every) {
            self.save(step, watch)?;
        }
        Ok(true)
    }

    fn rollouts(
        &self,
        prompts: &[Arc<Prompt>],
        step: u64,
        watch: &mut dyn Observer,
    ) -> Result<Vec<Group>, RlError> {
        if self.recipe.source == Source::Data {
            return demonstrations(prompts);
        }
        let n = self.config.rollout.samples_per_prompt;
        let total = prompts.len() * n;
        watch.event(Event::Progress(Phase::Rollout, 0, total));
        self.engine.generate(prompts, n, step, &mut |done| {
            watch.event(Event::Progress(Phase::Rollout, done, total));
        })
    }

    /// One verdict a group, and the counts of each.
    fn filter(&self, groups: &[Group], metrics: &mut Metrics) -> Vec<Verdict> {
        let judge = |group: &Group| self.recipe.judge(&group.samples());
        let verdicts: Vec<Verdict> = groups.iter().map(judge).collect();
        let kept = verdicts.iter().filter(|v| v.keeps()).count();
        metrics.set("filter/kept", kept as f64);
        for verdict in &verdicts {
            let (name, count) = match verdict {
                Verdict::Keep => continue,
                Verdict::Drop(reason) => (format!("filter/dropped/{reason}"), 1),
                Verdict::Mask(reason, places) => (format!("filter/masked/{reason}"), places.len()),
            };
            let before = metrics.get(&name).unwrap_or(0.0);
            metrics.set(name, before + count as f64);
        }
        verdicts
    }

    fn log_rollouts(
        &self,
        step: u64,
        groups: &[Group],
        verdicts: &[Verdict],
        batch: &TrainBatch,
    ) -> Result<(), RlError> {
        let mut ranges = batch.scored.groups.iter();
        let mut records = vec![];
        for (group, verdict) in groups.iter().zip(verdicts) {
            let kept = verdict.keeps();
            let samples = if kept { ranges.next().cloned() } else { None };
            let advantages: Vec<f32> = samples
                .into_iter()
                .flatten()
                .map(|i| {
                    batch.credit.advantages[i]
                        .first()
                        .copied()
                        .unwrap_or_default()
                })
                .collect();
            records.extend(eval::records(group, step, kept, &advantages));
        }
        eval::make_portable(&mut records, self.run.root());
        write_rollouts(&self.run.rollouts(step), &records)
    }

    fn evaluate(
        &mut self,
        step: u64,
        metrics: &mut Metrics,
        watch: &mut dyn Observer,
    ) -> Result<(), RlError> {
        let total = self.held_out.len();
        if total == 0 {
            return Ok(());
        }
        let config = &self.config.eval;
        let engine = self
            .engine
            .with_sampling(Sampling::greedy(config.max_new_tokens));
        let rule = self.reward.as_ref();
        watch.event(Event::Progress(Phase::Eval, 0, total));
        let mut found = evaluate(
            &config.name,
            &engine,
            &self.held_out,
            rule,
            step,
            &mut |done| {
                watch.event(Event::Progress(Phase::Eval, done, total));
            },
        )?;
        eval::make_portable(&mut found.records, self.run.root());
        write_rollouts(&self.run.eval(&config.name, step), &found.records)?;
        metrics.merge(found.metrics.clone());
        watch.event(Event::Evaluated(step, &found));
        Ok(())
    }

    fn save(&self, step: u64, watch: &mut dyn Observer) -> Result<(), RlError> {
        let state = TrainerState::new(step, self.config.seed);
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
