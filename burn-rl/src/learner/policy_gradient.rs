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
    types::Sample,
};
use burn::tensor::{Device, Tensor};
use burn_vlm::{
    Vlm,
    generate::rng::mix,
    tape::{Grads, Tape, Upstream},
};
use rayon::prelude::*;
use std::{ops::Range, path::Path, sync::Arc};

/// Log-probabilities are those of the policy itself, at temperature 1.
const TEMPERATURE: f64 = 1.0;

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

    /// Log-probabilities of every response token under `model`, by sample.
    fn logprobs(&self, model: &Vlm, batch: &TrainBatch) -> Vec<Vec<f32>> {
        let all: Vec<usize> = (0..batch.rows.len()).collect();
        let score = |samples: &Vec<usize>| {
            let micro = MicroBatch::new(batch, samples, model, &self.device);
            let recompute = burn_vlm::tape::ActivationRecompute::Block;
            let tape = Tape::record(model, &micro.input, &micro.targets, TEMPERATURE, recompute);
            let logp = tape.scores().logp;
            let r = logp.dims()[1];
            let logp: Vec<f32> = logp.into_data().iter().collect();
            let row = |(row, i): (usize, &usize)| {
                (
                    *i,
                    logp[row * r..row * r + batch.rows[*i].response.len()].to_vec(),
                )
            };
            samples.iter().enumerate().map(row).collect::<Vec<_>>()
        };
        let parts = batch.micro_batches(&all, self.train.micro_batch);
        let mut out = vec![vec![]; batch.rows.len()];
        for (i, logp) in parts.par_iter().flat_map_iter(score).collect::<Vec<_>>() {
            out[i] = logp;
        }
        out
    }

    /// Gradients of one micro-batch; `weights` are by sample.
    fn micro_step(&self, batch: &TrainBatch, samples: &[usize], weights: &[f64]) -> (Grads, Stats) {
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
        let mask = samples
            .iter()
            .map(|i| batch.scored.samples[*i].mask.as_slice());
        let spread: Vec<Vec<f32>> = samples
            .iter()
            .map(|i| vec![weights[*i] as f32; shape[1]])
            .collect();
        let needs = self.recipe.needs();
        let input = TapeInput {
            logp: scores.logp.clone(),
            entropy: scores.entropy.clone(),
            old_logp: (needs.old_logp && self.several_updates()).then(|| lists(|s| &s.old_logp)),
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

    /// One optimiser step on some groups.
    fn optimizer_step(
        &mut self,
        batch: &TrainBatch,
        groups: &[Range<usize>],
        lr: f64,
        stats: &mut Stats,
    ) {
        let mut weights = vec![0.0; batch.rows.len()];
        for (sample, weight) in self.recipe.reduction.weights(&batch.scored, groups) {
            weights[sample] = weight;
        }
        let samples: Vec<usize> = groups.iter().cloned().flatten().collect();
        let parts = batch.micro_batches(&samples, self.train.micro_batch);
        let results: Vec<(Grads, Stats)> = parts
            .par_iter()
            .map(|part| self.micro_step(batch, part, &weights))
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
        if needs.old_logp && self.several_updates() {
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
