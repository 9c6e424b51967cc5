//! The critic: a second model with a value head and an optimiser of its own.

use super::{
    AdamW, PassOptions, Replica, TrainBatch,
    batch::{padded, padded_mask},
    concurrency::{each_part, sum_gradients},
    micro::{lists, scalar},
    optimizer::agreed_norm,
    schedule::learning_rate,
    tape::{ValueInput, differentiate_values},
    vlm::PaddedBatch,
};
use crate::{
    config::{OptimConfig, TrainConfig},
    error::RlError,
    metrics::Metrics,
    recipe::CriticSpec,
};
use burn::tensor::{Device, Tensor};
use burn_vlm::{
    LoadOptions, Transfer, Vlm,
    tape::{ActivationRecompute, Grads, Tape, Upstream},
    weights::ExportDtype,
};
use std::{collections::HashMap, fs, path::Path};

/// Where the critic is in a checkpoint: a model directory with moments beside.
const DIR: &str = "critic";

/// Learns what states are worth.
pub struct Critic {
    model: Vlm,
    optimizer: AdamW,
    optim: OptimConfig,
    spec: CriticSpec,
}

/// What the critic's updates of a step report.
#[derive(Debug, Default)]
pub(super) struct CriticStats {
    loss: f64,
    grad_norm: f64,
    updates: f64,
    skipped: f64,
}

/// The samples of an optimiser step, and who shares them.
pub(super) struct Share<'a> {
    pub batch: &'a TrainBatch,
    pub samples: &'a [usize],
    /// Weight of every token, by sample.
    pub weights: &'a [f64],
    pub replica: &'a Replica,
}

impl Share<'_> {
    /// Those of this replica.
    fn micro_batches(&self, train: &TrainConfig) -> Vec<Vec<usize>> {
        let own = self.replica.share(self.samples, |i| self.batch.row_len(i));
        let (rows, tokens) = (train.micro_batch, train.micro_batch_tokens);
        self.batch.micro_batches(&own, rows, tokens)
    }
}

impl Critic {
    /// A critic that starts from `model`.
    ///
    /// # Errors
    /// A model without a value head.
    pub fn new(model: Vlm, optim: OptimConfig, spec: CriticSpec) -> Result<Self, RlError> {
        if model.value_head.is_none() {
            let message = "critic.model has no value head, expected a critic".into();
            return Err(RlError::Config(message));
        }
        let optimizer = AdamW::new(&optim);
        Ok(Self {
            model,
            optimizer,
            optim,
            spec,
        })
    }

    /// The critic as it is now.
    pub fn model(&self) -> &Vlm {
        &self.model
    }

    /// The same on another device, to the bit.
    pub(super) fn on(&self, transfer: &mut Transfer) -> Self {
        let model = transfer.copy(&self.model);
        Self {
            optimizer: self.optimizer.on(&model.device()),
            optim: self.optim.clone(),
            spec: self.spec,
            model,
        }
    }

    /// The value of the state before every response token, by sample.
    ///
    /// # Errors
    /// Another replica's.
    pub(super) fn values(
        &self,
        batch: &TrainBatch,
        train: &TrainConfig,
        replica: &Replica,
    ) -> Result<Vec<Vec<f32>>, RlError> {
        let device = self.model.device();
        let values = |samples: &Vec<usize>| {
            let micro = PaddedBatch::new(&batch.micro_batch(samples), &self.model)?;
            let recompute = ActivationRecompute::Block;
            let tape = self.record(&micro, recompute);
            let values = values_of(&tape, micro.targets.shape(), &device);
            let values = lists(values, batch, samples);
            Ok(samples.iter().copied().zip(values).collect::<Vec<_>>())
        };
        let all: Vec<usize> = (0..batch.rows.len()).collect();
        let whole = Share {
            batch,
            samples: &all,
            weights: &[],
            replica,
        };
        let mut own = vec![];
        let parts = whole.micro_batches(train);
        each_part(&device, &parts, values, |part| own.extend(part))?;
        let found = replica.gather("values", own)?;
        let mut found: HashMap<usize, Vec<f32>> = found.into_iter().flatten().collect();
        let of = |i: &usize| found.remove(i).unwrap_or_default();
        Ok(all.iter().map(of).collect())
    }

    fn record<'a>(&'a self, micro: &'a PaddedBatch, recompute: ActivationRecompute) -> Tape<'a> {
        let options = PassOptions {
            temperature: 1.0,
            recompute,
            dropout_key: None,
        };
        micro.record(&self.model, &options)
    }

    /// One optimiser step on some samples; false where it was left out because of gradients that are
    /// not finite.
    ///
    /// # Errors
    /// Another replica's.
    pub(super) fn update(
        &mut self,
        share: &Share<'_>,
        step: u64,
        train: &TrainConfig,
        stats: &mut CriticStats,
    ) -> Result<bool, RlError> {
        let (parts, recompute) = (share.micro_batches(train), train.activation_recompute);
        let work = |part: &Vec<usize>, grads: &mut Grads| {
            self.micro_gradients(share.batch, part, share.weights, recompute, grads)
        };
        let mut loss = 0.0;
        let grads = sum_gradients(&self.model, &parts, work, |own| loss += own)?;
        let losses = share.replica.gather("losses of the critic", loss)?;
        stats.loss += losses.iter().sum::<f64>();
        let grads = share.replica.sum(grads, &self.model)?;
        let norm = agreed_norm(share.replica, &self.model, &grads)?;
        let lr = learning_rate(&self.optim, step, train.steps);
        self.model = self.optimizer.step(self.model.take(), grads, lr, norm);
        stats.updates += 1.0;
        match norm.is_finite() {
            true => stats.grad_norm += norm,
            false => stats.skipped += 1.0,
        }
        Ok(norm.is_finite())
    }

    fn micro_gradients(
        &self,
        batch: &TrainBatch,
        samples: &[usize],
        weights: &[f64],
        recompute: ActivationRecompute,
        grads: &mut Grads,
    ) -> Result<f64, RlError> {
        let device = self.model.device();
        let micro = PaddedBatch::new(&batch.micro_batch(samples), &self.model)?;
        let tape = self.record(&micro, recompute);
        let shape = micro.targets.shape();
        let sample = |i: &usize| &batch.scored.samples[*i];
        let spread: Vec<Vec<f32>> = samples
            .iter()
            .map(|i| vec![weights[*i] as f32; shape[1]])
            .collect();
        let returns = samples
            .iter()
            .map(|i| batch.advantages.returns[*i].as_slice());
        let old_values = samples.iter().map(|i| sample(i).values.as_slice());
        let mask = samples.iter().map(|i| sample(i).mask.as_slice());
        let input = ValueInput {
            values: values_of(&tape, shape, &device),
            old_values: padded(old_values, shape, &device),
            returns: padded(returns, shape, &device),
            mask: padded_mask(mask, shape, &device),
            weights: padded(spread.iter().map(Vec::as_slice), shape, &device),
        };
        let (loss, d_values) = differentiate_values(&self.spec, input);
        let upstream = Upstream {
            values: Some(d_values),
            ..Upstream::default()
        };
        tape.backward_into(upstream, grads);
        Ok(scalar(loss))
    }

    /// The numbers of a step.
    pub(super) fn metrics(&self, stats: &CriticStats, batch: &TrainBatch, lr: f64) -> Metrics {
        let mut metrics = Metrics::new();
        let updates = stats.updates.max(1.0);
        metrics.set("value/loss", stats.loss / updates);
        let fit = Fit::of(batch);
        metrics.set("value/mean", fit.values);
        metrics.set("value/return", fit.returns);
        metrics.set("value/explained_variance", fit.explained);
        let taken = (stats.updates - stats.skipped).max(1.0);
        metrics.set("value/grad_norm", stats.grad_norm / taken);
        metrics.set("value/skipped_updates", stats.skipped);
        metrics.set("value/lr", lr);
        metrics
    }

    /// The rate of a step.
    pub(super) fn learning_rate(&self, step: u64, steps: u64) -> f64 {
        learning_rate(&self.optim, step, steps)
    }

    pub(super) fn save(&self, dir: &Path) -> Result<(), RlError> {
        let dir = dir.join(DIR);
        fs::create_dir_all(&dir).map_err(|e| RlError::io(&dir, e))?;
        self.model.save(&dir, ExportDtype::F32)?;
        self.optimizer.save(&dir)
    }

    pub(super) fn restore(&mut self, dir: &Path) -> Result<(), RlError> {
        let (dir, device) = (dir.join(DIR), self.model.device());
        let mut missing = false;
        let fresh = |d| {
            missing = true;
            burn_vlm::ValueHead::new(d, false, burn_vlm::ValueInit::Zero, 0, &device)
        };
        let families = &self.model.config().families;
        let options = LoadOptions::computing_in(self.model.compute()).among(families);
        let model = Vlm::critic_from_dir(&dir, fresh, &options, &device)?;
        if missing {
            return Err(RlError::Checkpoint {
                path: dir,
                message: "no value head here, expected the critic's".into(),
            });
        }
        self.optimizer.load(&dir, &model, &device)?;
        self.model = model;
        Ok(())
    }
}

fn values_of(tape: &Tape<'_>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    // A critic has a head, or it would not have been made.
    tape.values()
        .unwrap_or_else(|| Tensor::zeros(shape, device))
}

/// How well values before the update foretold returns, over the tokens that take part.
struct Fit {
    values: f64,
    returns: f64,
    /// 1 − Var(returns − values) / Var(returns); 0 where returns do not vary.
    explained: f64,
}

impl Fit {
    fn of(batch: &TrainBatch) -> Self {
        let samples = batch.scored.samples.iter().zip(&batch.advantages.returns);
        let pairs: Vec<(f64, f64)> = samples
            .flat_map(|(sample, returns)| {
                let tokens = sample.values.iter().zip(returns).zip(&sample.mask);
                let active = tokens.filter(|(_, mask)| **mask);
                active.map(|((v, r), _)| (f64::from(*v), f64::from(*r)))
            })
            .collect();
        let n = pairs.len().max(1) as f64;
        let mean = |f: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>() / n;
        let (values, returns) = (mean(&|p| p.0), mean(&|p| p.1));
        let spread = mean(&|p| (p.1 - returns).powi(2));
        let error = mean(&|p| (p.1 - p.0 - (returns - values)).powi(2));
        Self {
            values,
            returns,
            explained: if spread > 0.0 {
                1.0 - error / spread
            } else {
                0.0
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Advantages, Sample, ScoredBatch};

    #[test]
    fn explained_variance_by_hand() {
        let sample = Sample {
            mask: vec![true, true, false, true],
            values: vec![1.0, 2.0, 9.0, 3.0],
            ..Sample::default()
        };
        let fit = |returns: [f32; 4]| {
            Fit::of(&TrainBatch {
                scored: ScoredBatch::from_groups([vec![sample.clone()]]),
                advantages: Advantages {
                    returns: vec![returns.to_vec()],
                    ..Advantages::default()
                },
                ..TrainBatch::default()
            })
        };
        // Values 1, 2, 3; returns 2, 2, 5: mean 3, variance 2; errors 1, 0, 2: variance 2/3.
        let found = fit([2.0, 2.0, -100.0, 5.0]);
        assert_eq!((found.values, found.returns), (2.0, 3.0));
        assert!((found.explained - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(fit([4.0, 4.0, 0.0, 4.0]).explained, 0.0);
    }
}
