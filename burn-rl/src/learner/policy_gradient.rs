//! The learner of every policy-gradient algorithm, and of demonstrations.

use super::{
    AVERAGE_DIR, AdamW, Checksum, Critic, Demonstrations, Learner, Policy, Replica, Replicate,
    TrainBatch, blend, checksums,
    critic::{CriticStats, Share},
    micro::Pass,
    optimizer::agreed_norm,
    schedule::learning_rate,
    state::LearnerState,
    stats::Stats,
    step_plan::{StepPlan, has_old, weights},
};
use crate::{
    config::{OptimConfig, TrainConfig},
    error::RlError,
    metrics::Metrics,
    recipe::{CompletionSource, Recipe},
    stop::StopFlag,
    types::Sample,
};
use burn::tensor::Device;
use burn_vlm::{Transfer, Vlm, rng::mix, tape::Grads};
use std::{
    fs,
    ops::Range,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// Where a renewed reference is in a checkpoint.
const REFERENCE_DIR: &str = "reference";

/// Updates a policy by a [`Recipe`].
pub struct PolicyGradient<P = Vlm> {
    model: P,
    reference: Option<P>,
    average: Option<P>,
    critic: Option<Critic>,
    /// All replicas draw the same rows.
    demonstrations: Option<Arc<Mutex<Demonstrations>>>,
    recipe: Arc<Recipe>,
    optimizer: AdamW,
    train: TrainConfig,
    optim: OptimConfig,
    state: LearnerState,
    seed: u64,
    device: Device,
    replica: Replica,
    stop: StopFlag,
}

/// How an optimiser step ended.
enum Moved {
    /// The weights are new, or were left as they were because of gradients that are not finite.
    Done,
    /// The policy is too far from the one that sampled already.
    TooFar,
}

impl<P: Policy> PolicyGradient<P> {
    /// A learner that starts from `model`, which as it is now is also the reference if the recipe
    /// needs one.
    pub fn new(
        model: P,
        recipe: Arc<Recipe>,
        train: TrainConfig,
        optim: OptimConfig,
        seed: u64,
    ) -> Self {
        let reference = || model.reference(train.reference_refresh_steps > 0);
        Self {
            reference: recipe.needs().ref_logp.then(reference),
            average: (train.average_decay > 0.0).then(|| model.clone()),
            critic: None,
            demonstrations: None,
            optimizer: AdamW::new(&optim),
            state: LearnerState::default(),
            device: model.device(),
            model,
            recipe,
            train,
            optim,
            seed,
            replica: Replica::alone(),
            stop: StopFlag::new(),
        }
    }

    /// The same with another model as the reference.
    pub fn with_reference(mut self, reference: P) -> Self {
        self.reference = Some(reference);
        self
    }

    /// The same with the critic of its recipe.
    pub fn with_critic(mut self, critic: Critic) -> Self {
        self.critic = Some(critic);
        self
    }

    /// The same with demonstrations beside rewards.
    pub fn with_demonstrations(mut self, demonstrations: Demonstrations) -> Self {
        self.demonstrations = Some(Arc::new(Mutex::new(demonstrations)));
        self
    }

    /// The critic, if there is one.
    pub fn critic(&self) -> Option<&Critic> {
        self.critic.as_ref()
    }

    fn pass<'a>(&'a self, policy: &'a P) -> Pass<'a, P> {
        Pass {
            policy,
            recipe: &self.recipe,
            train: &self.train,
            device: &self.device,
            replica: &self.replica,
            stop: &self.stop,
            learns: true,
        }
    }

    /// A pass that nothing is learned in.
    fn scoring<'a>(&'a self, policy: &'a P) -> Pass<'a, P> {
        Pass {
            learns: false,
            ..self.pass(policy)
        }
    }

    /// Fills in the log-probabilities before the update where they are missing.
    fn fill_old(&self, batch: &mut TrainBatch) -> Result<(), RlError> {
        let samples = 0..batch.rows.len();
        let missing = samples.filter(|i| !has_old(&batch.scored.samples[*i]));
        let scores = self.scoring(&self.model).scores(batch, missing.collect())?;
        for (i, logp) in scores.samples.into_iter().zip(scores.logp) {
            batch.scored.samples[i].old_logp = logp;
        }
        Ok(())
    }

    /// Where each optimiser step's groups are among those of an epoch.
    fn mini_batches(&self, batch: &TrainBatch) -> Vec<Range<usize>> {
        let n = batch.scored.groups.len();
        let count = match batch.mini_batch {
            Some(size) => n.div_ceil(size.max(1)),
            None => self.train.mini_batches.min(n),
        };
        let end = |i: usize| match batch.mini_batch {
            Some(size) => (i * size).min(n),
            None => i * n / count,
        };
        (0..count).map(|i| end(i)..end(i + 1)).collect()
    }

    fn several_updates(&self, batch: &TrainBatch) -> bool {
        self.train.epochs > 1 || self.mini_batches(batch).len() > 1
    }

    /// One optimiser step on some groups.
    fn optimizer_step(
        &mut self,
        batch: &TrainBatch,
        groups: &[Range<usize>],
        lr: f64,
        key: u64,
        total: &mut Stats,
    ) -> Result<Moved, RlError> {
        let samples: Vec<usize> = groups.iter().cloned().flatten().collect();
        let pass = self.pass(&self.model);
        let plan = StepPlan {
            is_first: total.updates == 0.0,
            dropout_key: mix(key, total.updates as u64),
            ..pass.plan(batch, groups)?
        };
        let (mut grads, stats) = pass.gradients(batch, &samples, &plan)?;
        let limit = self.train.target_kl;
        if limit > 0.0 && stats.mean("policy/kl_old").is_some_and(|kl| kl > limit) {
            return Ok(Moved::TooFar);
        }
        total.merge(stats);
        if let Some((found, loss)) = self.demonstrated()? {
            grads.merge(found, &self.model);
            total.demonstration_loss = Some(total.demonstration_loss.unwrap_or(0.0) + loss);
        }
        let mut grads = self.replica.sum(grads, &self.model)?;
        let norm = agreed_norm(&self.replica, &self.model, &mut grads)?;
        self.model = self.optimizer.step(self.model.take(), grads, lr, norm);
        total.updates += 1.0;
        if norm.is_finite() {
            total.grad_norm += norm;
            let decay = self.train.average_decay;
            self.average = self.average.take().map(|a| blend(a, &self.model, decay));
        } else {
            total.skipped += 1.0;
        }
        let (row, limit) = (
            &mut self.state.skipped_in_a_row,
            self.train.max_skipped_updates,
        );
        count_skipped(row, norm.is_finite(), limit, "the model")?;
        Ok(Moved::Done)
    }

    /// Gradients and mean loss of the next demonstrations, if there are any beside rewards.
    fn demonstrated(&mut self) -> Result<Option<(Grads, f64)>, RlError> {
        let Some(demonstrations) = &self.demonstrations else {
            return Ok(None);
        };
        let mut demonstrations = demonstrations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (batch, next) = demonstrations.draw(self.state.demonstrated)?;
        self.state.demonstrated = next;
        let (recipe, coefficient) = (demonstrations.recipe(), demonstrations.coefficient());
        drop(demonstrations);
        let pass = Pass {
            recipe: &recipe,
            ..self.pass(&self.model)
        };
        let mut plan = pass.plan(&batch, &batch.scored.groups)?;
        plan.dropout_key = mix(!self.seed, self.state.demonstrated);
        plan.weights.iter_mut().for_each(|w| *w *= coefficient);
        let samples: Vec<usize> = (0..batch.rows.len()).collect();
        let (grads, stats) = pass.gradients(&batch, &samples, &plan)?;
        let loss = if coefficient > 0.0 {
            stats.loss / coefficient
        } else {
            0.0
        };
        Ok(Some((grads, loss)))
    }

    /// The learner as it is, which an update that is given up goes back to. Tensors are shared until
    /// the update writes new ones: for its time there are two of each.
    fn snapshot(&self) -> Self {
        Self {
            model: self.model.clone(),
            reference: self.reference.clone(),
            average: self.average.clone(),
            replica: self.replica.clone(),
            ..self.on(&self.device)
        }
    }

    /// An update, which may be left half done.
    fn learn(&mut self, batch: &TrainBatch, step: u64) -> Result<Metrics, RlError> {
        batch.check_temperature()?;
        let lr = learning_rate(&self.optim, step, self.train.steps);
        let (mut stats, mut critic_stats) = (Stats::default(), CriticStats::default());
        for sample in &batch.scored.samples {
            stats.compare(&sample.sampler_logp, &sample.old_logp);
        }
        let (several, parts) = (self.several_updates(batch), self.mini_batches(batch));
        let lacks_old = |sample: &Sample| !sample.is_empty() && !has_old(sample);
        if several && self.recipe.needs().old_logp && batch.scored.samples.iter().any(lacks_old) {
            // After the first update the current policy is no longer the one before it.
            return Err(RlError::NotProvided("old_logp"));
        }
        let mut stopped = false;
        'passes: for epoch in 0..self.train.epochs {
            let mut groups = batch.scored.groups.clone();
            if self.recipe.source() == CompletionSource::Policy && several {
                let key = mix(mix(self.seed, step), epoch as u64);
                groups.sort_by_key(|group| mix(key, group.start as u64));
            }
            for part in parts.iter().map(|part| &groups[part.clone()]) {
                self.stop.check_overdue()?;
                if let Some(critic) = &mut self.critic {
                    let samples: Vec<usize> = part.iter().cloned().flatten().collect();
                    let samples = Share {
                        batch,
                        samples: &samples,
                        weights: &weights(&self.recipe, &batch.scored, part),
                        replica: &self.replica,
                    };
                    let moved = critic.update(&samples, step, &self.train, &mut critic_stats)?;
                    let row = &mut self.state.critic_skipped_in_a_row;
                    count_skipped(row, moved, self.train.max_skipped_updates, "the critic")?;
                }
                if step <= self.train.freezing_actor_steps {
                    continue;
                }
                let key = mix(self.seed, step);
                if let Moved::TooFar = self.optimizer_step(batch, part, lr, key, &mut stats)? {
                    stopped = true;
                    break 'passes;
                }
            }
        }
        let average = batch.advantages.reward_average;
        self.state.carried.reward_average = average.or(self.state.carried.reward_average);
        self.renew_reference(step);
        let mut metrics = stats.into_metrics();
        self.steer_kl(batch, &mut metrics);
        if self.train.target_kl > 0.0 {
            metrics.set("policy/stopped_early", f64::from(u8::from(stopped)));
        }
        metrics.set("optim/lr", lr);
        if let Some(critic) = &self.critic {
            let lr = critic.learning_rate(step, self.train.steps);
            metrics.merge(critic.metrics(&critic_stats, batch, lr));
        }
        Ok(metrics)
    }

    /// Lets the weight of the KL follow the KL of the step, if the recipe says so.
    fn steer_kl(&mut self, batch: &TrainBatch, metrics: &mut Metrics) {
        let in_loss = metrics.get("policy/kl_ref");
        let Some(kl) = in_loss.or_else(|| sampled_kl(batch)) else {
            return;
        };
        metrics.set("policy/kl_ref", kl);
        if let Some((start, control)) = self.recipe.kl_control() {
            let beta = self.state.carried.kl_coef.unwrap_or(start);
            metrics.set("policy/kl_coef", beta);
            self.state.carried.kl_coef = Some(control.next(beta, kl, batch.rows.len()));
        }
    }

    /// Makes the policy, or a share of it, the reference, if that is due.
    fn renew_reference(&mut self, step: u64) {
        let every = self.train.reference_refresh_steps;
        if every > 0 && step / every > self.state.reference_step / every {
            let keep = 1.0 - self.train.reference_mix;
            self.reference = self.reference.take().map(|r| blend(r, &self.model, keep));
            self.state.reference_step = step;
        }
    }
}

impl<P: Policy> Learner for PolicyGradient<P> {
    type Policy = P;

    fn score(&self, batch: &mut TrainBatch) -> Result<(), RlError> {
        batch.check_temperature()?;
        let needs = self.recipe.needs();
        let mut prompts = batch.rows.iter().map(|row| row.prompt.as_ref());
        let features = self.model.encode_pictures(&mut prompts);
        batch.features = features.map(Arc::new).into_iter().collect();
        batch.scored.carried = self.state.carried;
        // With one update and none before it, the old policy is the one that is scored anyway.
        let moves = self.several_updates(batch) || batch.scored.samples.iter().any(has_old);
        let reads_old = needs.old_logp || self.train.target_kl > 0.0;
        if needs.old_logp_on_host || reads_old && moves {
            self.fill_old(batch)?;
        }
        if let Some(reference) = &self.reference {
            let all = (0..batch.rows.len()).collect();
            let found = self.scoring(reference).scores(batch, all)?.logp;
            for (sample, logp) in batch.scored.samples.iter_mut().zip(found) {
                sample.ref_logp = logp;
            }
        }
        if let Some(critic) = &self.critic {
            self.stop.check_requested()?;
            let found = critic.values(batch, &self.train, &self.replica)?;
            for (sample, values) in batch.scored.samples.iter_mut().zip(found) {
                sample.values = values;
            }
        }
        Ok(())
    }

    fn fill_old_logprobs(&self, batch: &mut TrainBatch) -> Result<(), RlError> {
        batch.check_temperature()?;
        self.fill_old(batch)
    }

    fn update(&mut self, batch: &TrainBatch, step: u64) -> Result<Metrics, RlError> {
        let before = self.stop.may_be_overdue().then(|| self.snapshot());
        let updated = self.learn(batch, step);
        if let (Err(_), true, Some(before)) = (&updated, self.stop.is_overdue(), before) {
            *self = before;
        }
        updated
    }

    fn stop_on(&mut self, stop: &StopFlag) {
        self.stop = stop.clone();
    }

    fn model(&self) -> &P {
        &self.model
    }

    fn average(&self) -> Option<&P> {
        self.average.as_ref()
    }

    fn save(&self, dir: &Path) -> Result<(), RlError> {
        self.optimizer.save(dir)?;
        self.state.save(dir)?;
        if let Some(critic) = &self.critic {
            critic.save(dir)?;
        }
        if let Some(average) = &self.average {
            save_model(average, &dir.join(AVERAGE_DIR))?;
        }
        match &self.reference {
            Some(reference) if self.state.reference_step > 0 => {
                save_model(reference, &dir.join(REFERENCE_DIR))
            }
            _ => Ok(()),
        }
    }

    fn restore(&mut self, model: P, dir: &Path) -> Result<(), RlError> {
        self.optimizer.load(dir, &model, &self.device)?;
        self.state = LearnerState::load(dir)?;
        self.model = model;
        if let Some(critic) = &mut self.critic {
            critic.restore(dir)?;
        }
        if self.average.is_some() {
            self.average = Some(self.model.reload(&dir.join(AVERAGE_DIR))?);
        }
        if self.reference.is_some() && self.state.reference_step > 0 {
            self.reference = Some(self.model.reload(&dir.join(REFERENCE_DIR))?);
        }
        Ok(())
    }
}

impl<P: Policy> Replicate for PolicyGradient<P> {
    fn on(&self, device: &Device) -> Self {
        let mut transfer = Transfer::to(device);
        Self {
            model: transfer.copy(&self.model),
            reference: self.reference.as_ref().map(|m| transfer.copy(m)),
            // Replica 0 keeps it: nothing here depends on it.
            average: None,
            critic: self.critic.as_ref().map(|critic| critic.on(&mut transfer)),
            demonstrations: self.demonstrations.clone(),
            recipe: self.recipe.clone(),
            optimizer: self.optimizer.on(device),
            train: self.train.clone(),
            optim: self.optim.clone(),
            state: self.state,
            seed: self.seed,
            device: device.clone(),
            replica: Replica::alone(),
            stop: self.stop.clone(),
        }
    }

    fn join(&mut self, replica: Replica) {
        self.replica = replica;
    }

    fn checksums(&self) -> Vec<Checksum> {
        let mut found = checksums(&self.model, "policy");
        if let Some(critic) = &self.critic {
            found.extend(checksums(critic.model(), "critic"));
        }
        found
    }
}

/// Counts updates in a row that were left out because of gradients that are not finite, and ends
/// the run at the limit.
fn count_skipped(row: &mut u64, moved: bool, limit: u64, who: &str) -> Result<(), RlError> {
    *row = if moved { 0 } else { *row + 1 };
    match *row >= limit {
        false => Ok(()),
        true => Err(RlError::Training(format!(
            "{row} updates in a row had gradients that are not finite \
             (train.max_skipped_updates is {limit}): {who} has diverged"
        ))),
    }
}

/// Mean of `log p − log p_ref` over the tokens that take part, under the policy before the update;
/// none where either is unknown.
fn sampled_kl(batch: &TrainBatch) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0.0);
    for sample in &batch.scored.samples {
        let tokens = sample.old_logp.iter().zip(&sample.ref_logp);
        for ((old, reference), _) in tokens.zip(&sample.mask).filter(|(_, mask)| **mask) {
            sum += f64::from(*old) - f64::from(*reference);
            n += 1.0;
        }
    }
    (n > 0.0).then(|| sum / n)
}

fn save_model<P: Policy>(model: &P, dir: &Path) -> Result<(), RlError> {
    fs::create_dir_all(dir).map_err(|e| RlError::io(dir, e))?;
    model.save(dir)
}
