//! Passes of the policy over micro-batches: scoring, and gradients of a recipe's loss.

use super::{
    MicroBatch, PassOptions, Policy, Replica, TrainBatch,
    concurrency::{each_part, rounds},
    stats::Stats,
    step_plan::{StepPlan, StepRows, has_old},
    tape::differentiate,
};
use crate::{
    config::TrainConfig, error::RlError, recipe::Recipe, regularize::KlEstimator,
    select::StepScores, stop::StopFlag, types::Sample,
};
use burn::tensor::{Device, Tensor};
use burn_vlm::tape::{ActivationRecompute, Grads, TokenScores, Upstream};
use std::{collections::HashMap, ops::Range};

/// A policy at work on a batch.
pub(super) struct Pass<'a, P> {
    pub policy: &'a P,
    pub recipe: &'a Recipe,
    pub train: &'a TrainConfig,
    pub device: &'a Device,
    pub replica: &'a Replica,
    pub stop: &'a StopFlag,
    /// Whether something is learned, which ends only when it is overdue.
    pub learns: bool,
}

impl<P: Policy> Pass<'_, P> {
    /// # Errors
    /// [`RlError::Stopped`] once the pass is to end.
    fn check_stop(&self) -> Result<(), RlError> {
        match self.learns {
            true => self.stop.check_overdue(),
            false => self.stop.check_requested(),
        }
    }

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
            self.check_stop()?;
            let options = PassOptions {
                temperature: batch.temperature,
                recompute: ActivationRecompute::Block,
                dropout_key: None,
            };
            let micro = batch.micro_batch(samples);
            let scores = self.policy.scores(&micro, &options)?;
            check_shape(&scores, micro.shape())?;
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
    pub fn plan(&self, batch: &TrainBatch, groups: &[Range<usize>]) -> Result<StepPlan, RlError> {
        let scores = match self.recipe.needs().step_scores {
            true => Some(self.scores(batch, groups.iter().cloned().flatten().collect())?),
            false => None,
        };
        StepPlan::new(
            self.recipe,
            &batch.scored,
            &batch.advantages,
            groups,
            scores.as_ref(),
        )
    }

    /// Gradients of an optimiser step on this replica's share of some samples, and what the passes
    /// over all of them report.
    ///
    /// # Errors
    /// [`RlError::NotProvided`] for what the recipe reads and the batch lacks, or another replica's.
    pub fn gradients(
        &self,
        batch: &TrainBatch,
        samples: &[usize],
        plan: &StepPlan,
    ) -> Result<(Grads, Stats), RlError> {
        let parts = self.micro_batches(batch, samples);
        let options = PassOptions {
            temperature: batch.temperature,
            recompute: self.train.activation_recompute,
            dropout_key: Some(plan.dropout_key),
        };
        let (mut own, mut stats) = (Stats::default(), Stats::default());
        let mut grads = Grads::new();
        for parts in rounds(self.device, &parts) {
            self.check_stop()?;
            let micro: Vec<MicroBatch<'_>> = parts.iter().map(|p| batch.micro_batch(p)).collect();
            let loss = &mut |i: usize, scores: TokenScores| {
                check_shape(&scores, micro[i].shape())?;
                let mut stats = Stats::default();
                let upstream = self.loss(batch, &parts[i], plan, scores, &mut stats)?;
                own.merge(stats);
                Ok(upstream)
            };
            self.policy
                .gradients_of(&micro, &options, loss, &mut grads)?;
        }
        let all = self.replica.gather("numbers of an update", own)?;
        all.into_iter().for_each(|found| stats.merge(found));
        Ok((grads, stats))
    }

    /// Derivatives of the loss of some samples by their scores; what is found on the way goes into
    /// `stats`.
    fn loss(
        &self,
        batch: &TrainBatch,
        samples: &[usize],
        plan: &StepPlan,
        scores: TokenScores,
        stats: &mut Stats,
    ) -> Result<Upstream, RlError> {
        let device = self.device;
        let shape = scores.logp.dims();
        let rows = StepRows {
            recipe: self.recipe,
            batch: &batch.scored,
            advantages: &batch.advantages,
            plan,
            samples,
            shape,
            device,
        };
        let input = rows.tape_input(scores.logp.clone(), scores.entropy.clone())?;
        let hidden = input.mask.clone().bool_not();
        let logp: Vec<f32> = scores.logp.to_data().iter().collect();
        let all = || samples.iter().map(|i| &batch.scored.samples[*i]);
        for (sample, logp) in all().zip(logp.chunks(shape[1].max(1))) {
            if has_old(sample) {
                stats.add("policy/kl_old", kl_old(sample, logp));
            } else if plan.is_first && !self.policy.has_dropout() {
                stats.compare(&sample.sampler_logp, logp);
            }
        }
        let out = differentiate(self.recipe, input)?;
        stats.loss = scalar(out.loss);
        stats.add(
            "policy/entropy",
            scalar(scores.entropy.mask_fill(hidden, 0.0).sum()),
        );
        for (name, stat) in out.stats {
            stats.add(name, scalar(stat.sum()));
        }
        stats.add_tokens(all().map(Sample::active).sum());
        Ok(Upstream {
            logp: Some(out.d_logp),
            entropy: out.d_entropy,
            values: None,
        })
    }
}

/// Refuses scores that are not of the tokens that were asked about.
fn check_shape(scores: &TokenScores, expected: [usize; 2]) -> Result<(), RlError> {
    let found = [scores.logp.dims(), scores.entropy.dims()];
    match found == [expected; 2] {
        true => Ok(()),
        false => Err(RlError::Training(format!(
            "the policy gave log-probabilities of shape {:?} and entropies of shape {:?}, expected \
             {expected:?}",
            found[0], found[1]
        ))),
    }
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
