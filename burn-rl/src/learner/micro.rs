//! Passes of the policy over micro-batches: scoring, and gradients of a recipe's loss.

use super::{
    TrainBatch,
    batch::{MicroBatch, padded, padded_mask},
    concurrency::{each_part, sum_gradients},
    stats::Stats,
    tape::{TapeInput, differentiate},
};
use crate::{
    config::TrainConfig, dist::Replica, error::RlError, recipe::Recipe, regularize::KlEstimator,
    select::StepScores, types::Sample,
};
use burn::tensor::{Device, Tensor};
use burn_vlm::{
    Vlm,
    tape::{ActivationRecompute, Grads, Tape, Upstream},
};
use std::{collections::HashMap, ops::Range};

/// Log-probabilities are those of the policy itself, at temperature 1.
pub(super) const TEMPERATURE: f64 = 1.0;

/// What an optimiser step knows of all its tokens before it looks at any micro-batch.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Weight of every token, by sample.
    pub weights: Vec<f64>,
    /// Tokens that the loss treats in a way of its own, by sample.
    pub special_tokens: Option<HashMap<usize, Vec<bool>>>,
    /// Tokens that have a policy loss, by sample.
    pub trained_tokens: Option<HashMap<usize, Vec<bool>>>,
    /// Whether nothing is updated yet: what is scored here is the policy that sampled.
    pub is_first: bool,
    /// What dropout depends on beside the sample.
    pub dropout_key: u64,
}

/// A model at work on a batch.
pub(super) struct Pass<'a> {
    pub model: &'a Vlm,
    pub recipe: &'a Recipe,
    pub train: &'a TrainConfig,
    pub device: &'a Device,
    pub replica: &'a Replica,
}

impl Pass<'_> {
    /// Those of this replica's share.
    fn micro_batches(&self, batch: &TrainBatch, samples: &[usize]) -> Vec<Vec<usize>> {
        batch.micro_batches(
            &self.replica.share(samples, |i| batch.row_len(i)),
            self.train.micro_batch,
            self.train.micro_batch_tokens,
        )
    }

    /// Log-probabilities and entropies of every response token of some samples.
    ///
    /// # Errors
    /// Another replica's.
    pub fn scores(&self, batch: &TrainBatch, samples: Vec<usize>) -> Result<StepScores, RlError> {
        let score = |samples: &Vec<usize>| {
            let micro = MicroBatch::new(batch, samples, self.model, self.device)?;
            let recompute = ActivationRecompute::Block;
            let tape = Tape::record(
                self.model,
                &micro.input,
                &micro.targets,
                TEMPERATURE,
                recompute,
            );
            let scores = tape.scores();
            let both = lists(scores.logp, batch, samples).into_iter().zip(lists(
                scores.entropy,
                batch,
                samples,
            ));
            Ok(samples.iter().copied().zip(both).collect::<Vec<_>>())
        };
        let parts = self.micro_batches(batch, &samples);
        let mut own = vec![];
        each_part(self.device, &parts, score, |part| own.extend(part))?;
        let all = self.replica.gather("scores", own)?;
        let mut found: HashMap<usize, (Vec<f32>, Vec<f32>)> = all.into_iter().flatten().collect();
        let (logp, entropy) = samples
            .iter()
            .map(|i| found.remove(i).unwrap_or_default())
            .unzip();
        Ok(StepScores {
            samples,
            logp,
            entropy,
        })
    }

    /// What the tokens of an optimiser step weigh, and which of them are chosen.
    ///
    /// # Errors
    /// As [`scores`](Self::scores).
    pub fn plan(&self, batch: &TrainBatch, groups: &[Range<usize>]) -> Result<Plan, RlError> {
        let mut plan = Plan {
            weights: weights(self.recipe, batch, groups),
            ..Plan::default()
        };
        if self.recipe.needs().step_scores {
            let samples: Vec<usize> = groups.iter().cloned().flatten().collect();
            let scores = self.scores(batch, samples)?;
            let selected = self
                .recipe
                .select(&batch.scored, &batch.advantages, &scores);
            let by_sample = |lists: Vec<Vec<bool>>| scores.samples.iter().copied().zip(lists);
            plan.special_tokens = selected.special_tokens.map(|l| by_sample(l).collect());
            plan.trained_tokens = selected.trained_tokens.map(|l| by_sample(l).collect());
        }
        Ok(plan)
    }

    /// Gradients of an optimiser step on this replica's share of some samples, and what the passes
    /// over all of them report.
    ///
    /// # Errors
    /// Another replica's.
    pub fn gradients(
        &self,
        batch: &TrainBatch,
        samples: &[usize],
        plan: &Plan,
    ) -> Result<(Grads, Stats), RlError> {
        let parts = self.micro_batches(batch, samples);
        let (mut own, mut stats) = (Stats::default(), Stats::default());
        let work =
            |part: &Vec<usize>, grads: &mut Grads| self.micro_gradients(batch, part, plan, grads);
        let grads = sum_gradients(self.model, &parts, work, |found| own.merge(found))?;
        let all = self.replica.gather("numbers of an update", own)?;
        all.into_iter().for_each(|found| stats.merge(found));
        Ok((grads, stats))
    }

    fn micro_gradients(
        &self,
        batch: &TrainBatch,
        samples: &[usize],
        plan: &Plan,
        grads: &mut Grads,
    ) -> Result<Stats, RlError> {
        let device = self.device;
        let micro = MicroBatch::new(batch, samples, self.model, device)?;
        let model = self
            .model
            .with_dropout(&micro.input, plan.dropout_key, samples);
        let tape = Tape::record(
            &model,
            &micro.input,
            &micro.targets,
            TEMPERATURE,
            self.train.activation_recompute,
        );
        let scores = tape.scores();
        let shape = micro.targets.shape();
        let sample = |i: &usize| &batch.scored.samples[*i];
        let lists =
            |f: fn(&Sample) -> &[f32]| padded(samples.iter().map(|i| f(sample(i))), shape, device);
        let flags = |chosen: &HashMap<usize, Vec<bool>>| {
            let lists = samples
                .iter()
                .map(|i| chosen.get(i).map_or(&[][..], Vec::as_slice));
            padded_mask(lists, shape, device)
        };
        let mask = samples.iter().map(|i| sample(i).mask.as_slice());
        let spread: Vec<Vec<f32>> = samples
            .iter()
            .map(|i| vec![plan.weights[*i] as f32; shape[1]])
            .collect();
        let needs = self.recipe.needs();
        let old_known = samples.iter().all(|i| has_old(sample(i)));
        let input = TapeInput {
            logp: scores.logp.clone(),
            entropy: scores.entropy.clone(),
            old_logp: (needs.old_logp && old_known).then(|| lists(|s| &s.old_logp)),
            sample_logp: needs.sample_logp.then(|| lists(|s| &s.sample_logp)),
            ref_logp: needs.ref_logp.then(|| lists(|s| &s.ref_logp)),
            advantages: padded(
                samples
                    .iter()
                    .map(|i| batch.advantages.per_token[*i].as_slice()),
                shape,
                device,
            ),
            mask: padded_mask(mask, shape, device),
            weights: padded(spread.iter().map(Vec::as_slice), shape, device),
            special_tokens: plan.special_tokens.as_ref().map(flags),
            trained_tokens: plan.trained_tokens.as_ref().map(flags),
            kl_coef: batch.scored.carried.kl_coef,
        };
        let hidden = input.mask.clone().bool_not();
        let mut stats = Stats::default();
        let logp: Vec<f32> = scores.logp.to_data().iter().collect();
        for (i, logp) in samples.iter().zip(logp.chunks(shape[1].max(1))) {
            let sample = sample(i);
            if has_old(sample) {
                stats.add("policy/kl_old", kl_old(sample, logp));
            } else if plan.is_first && !self.model.has_dropout() {
                stats.compare(&sample.sample_logp, logp);
            }
        }
        let out = differentiate(self.recipe, input);
        stats.loss = scalar(out.loss);
        stats.add(
            "policy/entropy",
            scalar(scores.entropy.mask_fill(hidden, 0.0).sum()),
        );
        for (name, stat) in out.stats {
            stats.add(name, scalar(stat.sum()));
        }
        stats.add_tokens(samples.iter().map(|i| sample(i).active()).sum());
        let upstream = Upstream {
            logp: Some(out.d_logp),
            entropy: out.d_entropy,
            values: None,
        };
        tape.backward_into(upstream, grads);
        Ok(stats)
    }
}

/// Weight of every token, by sample; 0 for samples outside `groups`.
pub(super) fn weights(recipe: &Recipe, batch: &TrainBatch, groups: &[Range<usize>]) -> Vec<f64> {
    let mut weights = vec![0.0; batch.rows.len()];
    for (sample, weight) in recipe.weights(&batch.scored, groups) {
        weights[sample] = weight;
    }
    weights
}

/// Whether the log-probabilities before the update are known.
pub(super) fn has_old(sample: &Sample) -> bool {
    !sample.is_empty() && sample.old_logp.len() == sample.len()
}

/// How far the tokens of a sample have moved from the policy before the update: the sum of
/// unbiased estimates of `KL(old‖new)` that are never negative.
fn kl_old(sample: &Sample, logp: &[f32]) -> f64 {
    let tokens = sample.old_logp.iter().zip(logp).zip(&sample.mask);
    let active = tokens.filter(|(_, mask)| **mask);
    active
        .map(|((old, new), _)| KlEstimator::K3.of(f64::from(*old) - f64::from(*new)))
        .sum()
}

/// The rows of a tensor `[B, R]` without their padding, one a sample.
pub(super) fn lists(x: Tensor<2>, batch: &TrainBatch, samples: &[usize]) -> Vec<Vec<f32>> {
    let r = x.dims()[1];
    let all: Vec<f32> = x.into_data().iter().collect();
    let list =
        |(row, i): (usize, &usize)| all[row * r..row * r + batch.rows[*i].response.len()].to_vec();
    samples.iter().enumerate().map(list).collect()
}

pub(super) fn scalar(x: Tensor<1>) -> f64 {
    f64::from(x.into_scalar::<f32>())
}
