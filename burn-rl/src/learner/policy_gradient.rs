//! The learner of every policy-gradient algorithm, and of demonstrations.

use super::{
    AdamW, Learner, TrainBatch,
    batch::{MicroBatch, padded, padded_mask},
    schedule::learning_rate,
    stats::Stats,
    tape::{TapeInput, differentiate},
};
use crate::{
    config::{OptimConfig, TrainConfig},
    error::RlError,
    metrics::Metrics,
    recipe::{Recipe, Source},
    select::StepScores,
    types::Sample,
};
use burn::tensor::{Device, Tensor};
use burn_vlm::{
    Vlm,
    generate::rng::mix,
    tape::{Grads, Tape, Upstream},
};
use rayon::prelude::*;
use std::{collections::HashMap, ops::Range, path::Path, sync::Arc};

/// Log-probabilities are those of the policy itself, at temperature 1.
const TEMPERATURE: f64 = 1.0;

/// What an optimiser step knows of all its tokens before it looks at any micro-batch.
#[derive(Debug, Default)]
struct Plan {
    /// Weight of every token, by sample.
    weights: Vec<f64>,
    /// Tokens that the loss treats in a way of its own, by sample.
    marks: Option<HashMap<usize, Vec<bool>>>,
    /// Tokens that have a policy loss, by sample.
    focus: Option<HashMap<usize, Vec<bool>>>,
}

/// Updates a model by a [`Recipe`].
pub struct PolicyGradient {
    model: Vlm,
    reference: Option<Vlm>,
    recipe: Arc<Recipe>,
    optimizer: AdamW,
    train: TrainConfig,
    optim: OptimConfig,
    seed: u64,
    device: Device,
}

impl PolicyGradient {
    /// A learner that starts from `model`, which is also the reference if the recipe needs one.
    pub fn new(
        model: Vlm,
        recipe: Arc<Recipe>,
        train: TrainConfig,
        optim: OptimConfig,
        seed: u64,
    ) -> Self {
        let reference = recipe.needs().ref_logp.then(|| model.clone());
        let (optimizer, device) = (AdamW::new(&optim), model.device());
        Self {
            model,
            reference,
            recipe,
            optimizer,
            train,
            optim,
            seed,
            device,
        }
    }

    /// Log-probabilities and entropies of every response token of some samples under `model`.
    fn scores(&self, model: &Vlm, batch: &TrainBatch, samples: Vec<usize>) -> StepScores {
        let score = |samples: &Vec<usize>| {
            let micro = MicroBatch::new(batch, samples, model, &self.device);
            let recompute = burn_vlm::tape::ActivationRecompute::Block;
            let tape = Tape::record(model, &micro.input, &micro.targets, TEMPERATURE, recompute);
            let scores = tape.scores();
            let lists = |x: Tensor<2>| {
                let r = x.dims()[1];
                let all: Vec<f32> = x.into_data().iter().collect();
                let list = |(row, i): (usize, &usize)| {
                    all[row * r..row * r + batch.rows[*i].response.len()].to_vec()
                };
                samples.iter().enumerate().map(list).collect::<Vec<_>>()
            };
            let both = lists(scores.logp.clone())
                .into_iter()
                .zip(lists(scores.entropy.clone()));
            samples.iter().copied().zip(both).collect::<Vec<_>>()
        };
        let parts = batch.micro_batches(&samples, self.train.micro_batch);
        let mut found: HashMap<usize, (Vec<f32>, Vec<f32>)> =
            parts.par_iter().flat_map_iter(score).collect();
        let (logp, entropy) = samples
            .iter()
            .map(|i| found.remove(i).unwrap_or_default())
            .unzip();
        StepScores {
            samples,
            logp,
            entropy,
        }
    }

    /// Log-probabilities of every response token under `model`, by sample.
    fn logprobs(&self, model: &Vlm, batch: &TrainBatch) -> Vec<Vec<f32>> {
        let all = (0..batch.rows.len()).collect();
        self.scores(model, batch, all).logp
    }

    /// Gradients of one micro-batch of an optimiser step.
    fn micro_step(&self, batch: &TrainBatch, samples: &[usize], step: &Plan) -> (Grads, Stats) {
        let device = &self.device;
        let micro = MicroBatch::new(batch, samples, &self.model, device);
        let recompute = self.train.activation_recompute;
        let tape = Tape::record(
            &self.model,
            &micro.input,
            &micro.targets,
            TEMPERATURE,
            recompute,
        );
        let scores = tape.scores();
        let shape = micro.targets.shape();
        let lists = |f: fn(&Sample) -> &[f32]| {
            padded(
                samples.iter().map(|i| f(&batch.scored.samples[*i])),
                shape,
                device,
            )
        };
        let flags = |chosen: &HashMap<usize, Vec<bool>>| {
            let lists = samples
                .iter()
                .map(|i| chosen.get(i).map_or(&[][..], Vec::as_slice));
            padded_mask(lists, shape, device)
        };
        let mask = samples
            .iter()
            .map(|i| batch.scored.samples[*i].mask.as_slice());
        let spread: Vec<Vec<f32>> = samples
            .iter()
            .map(|i| vec![step.weights[*i] as f32; shape[1]])
            .collect();
        let needs = self.recipe.needs();
        let input = TapeInput {
            logp: scores.logp.clone(),
            entropy: scores.entropy.clone(),
            old_logp: (needs.old_logp && self.several_updates()).then(|| lists(|s| &s.old_logp)),
            sample_logp: needs.sample_logp.then(|| lists(|s| &s.sample_logp)),
            ref_logp: needs.ref_logp.then(|| lists(|s| &s.ref_logp)),
            advantages: padded(
                samples
                    .iter()
                    .map(|i| batch.credit.advantages[*i].as_slice()),
                shape,
                device,
            ),
            mask: padded_mask(mask, shape, device),
            weights: padded(spread.iter().map(Vec::as_slice), shape, device),
            marks: step.marks.as_ref().map(flags),
            focus: step.focus.as_ref().map(flags),
            kl_coef: batch.scored.memory.kl_coef,
        };
        let hidden = input.mask.clone().bool_not();
        let mut stats = Stats::default();
        if !self.several_updates() {
            // Nothing is updated yet: what is scored here is the policy that sampled.
            let logp: Vec<f32> = scores.logp.to_data().iter().collect();
            for (i, trainer) in samples.iter().zip(logp.chunks(shape[1].max(1))) {
                stats.compare(&batch.scored.samples[*i].sample_logp, trainer);
            }
        }
        let out = differentiate(&self.recipe, input);
        stats.loss = scalar(out.loss);
        stats.add(
            "policy/entropy",
            scalar(scores.entropy.mask_fill(hidden, 0.0).sum()),
        );
        for (name, stat) in out.stats {
            stats.add(name, scalar(stat.sum()));
        }
        stats.add_tokens(
            samples
                .iter()
                .map(|i| batch.scored.samples[*i].active())
                .sum(),
        );
        let upstream = Upstream {
            logp: Some(out.d_logp),
            entropy: out.d_entropy,
            values: None,
        };
        (tape.backward(upstream), stats)
    }

    /// What the tokens of an optimiser step weigh, and which of them are chosen.
    fn plan(&self, batch: &TrainBatch, groups: &[Range<usize>]) -> Plan {
        let mut plan = Plan {
            weights: vec![0.0; batch.rows.len()],
            ..Plan::default()
        };
        for (sample, weight) in self.recipe.weights(&batch.scored, groups) {
            plan.weights[sample] = weight;
        }
        if self.recipe.needs().step_scores {
            let samples: Vec<usize> = groups.iter().cloned().flatten().collect();
            let scores = self.scores(&self.model, batch, samples);
            let selected = self.recipe.select(&batch.scored, &batch.credit, &scores);
            let by_sample = |lists: Vec<Vec<bool>>| scores.samples.iter().copied().zip(lists);
            plan.marks = selected.marks.map(|l| by_sample(l).collect());
            plan.focus = selected.focus.map(|l| by_sample(l).collect());
        }
        plan
    }

    /// One optimiser step on some groups.
    fn optimizer_step(
        &mut self,
        batch: &TrainBatch,
        groups: &[Range<usize>],
        lr: f64,
        stats: &mut Stats,
    ) {
        let plan = self.plan(batch, groups);
        let samples: Vec<usize> = groups.iter().cloned().flatten().collect();
        let parts = batch.micro_batches(&samples, self.train.micro_batch);
        let results: Vec<(Grads, Stats)> = parts
            .par_iter()
            .map(|part| self.micro_step(batch, part, &plan))
            .collect();
        let mut grads = Grads::new();
        for (part, found) in results {
            grads.merge(part, &self.model);
            stats.merge(found);
        }
        let (model, norm) = self.optimizer.step(self.model.clone(), grads, lr);
        self.model = model;
        stats.updates += 1.0;
        match norm.is_finite() {
            true => stats.grad_norm += norm,
            false => stats.skipped += 1.0,
        }
    }

    fn several_updates(&self) -> bool {
        self.train.epochs * self.train.mini_batches > 1
    }
}

impl Learner for PolicyGradient {
    fn score(&self, batch: &mut TrainBatch) {
        let needs = self.recipe.needs();
        if needs.old_logp_on_host || needs.old_logp && self.several_updates() {
            let old = self.logprobs(&self.model, batch);
            for (sample, logp) in batch.scored.samples.iter_mut().zip(old) {
                sample.old_logp = logp;
            }
        }
        if let Some(reference) = &self.reference {
            let found = self.logprobs(reference, batch);
            for (sample, logp) in batch.scored.samples.iter_mut().zip(found) {
                sample.ref_logp = logp;
            }
        }
    }

    fn update(&mut self, batch: &TrainBatch, step: u64) -> Result<Metrics, RlError> {
        let lr = learning_rate(&self.optim, step, self.train.steps);
        let mut stats = Stats::default();
        for sample in &batch.scored.samples {
            stats.compare(&sample.sample_logp, &sample.old_logp);
        }
        for epoch in 0..self.train.epochs {
            let mut groups = batch.scored.groups.clone();
            if self.recipe.source == Source::Policy && self.several_updates() {
                let key = mix(mix(self.seed, step), epoch as u64);
                groups.sort_by_key(|group| mix(key, group.start as u64));
            }
            let size = groups.len().div_ceil(self.train.mini_batches).max(1);
            for part in groups.chunks(size) {
                self.optimizer_step(batch, part, lr, &mut stats);
            }
        }
        if stats.updates > 0.0 && stats.skipped == stats.updates {
            return Err(RlError::Training(format!(
                "no update of step {step} has finite gradients: the model has diverged"
            )));
        }
        let mut metrics = stats.into_metrics();
        metrics.set("optim/lr", lr);
        Ok(metrics)
    }

    fn model(&self) -> &Vlm {
        &self.model
    }

    fn save(&self, dir: &Path) -> Result<(), RlError> {
        self.optimizer.save(dir)
    }

    fn restore(&mut self, model: Vlm, dir: &Path) -> Result<(), RlError> {
        self.optimizer.load(dir, &model, &self.device)?;
        self.model = model;
        Ok(())
    }
}

fn scalar(x: Tensor<1>) -> f64 {
    f64::from(x.into_scalar::<f32>())
}
