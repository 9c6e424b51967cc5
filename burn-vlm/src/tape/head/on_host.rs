//! Tiles of logits as slices of a host's memory: one pass over a row while it is in the cache, all
//! cores on the rows.

use super::{Backward, FlatScores, HeadUpstream, Softmax};
use crate::host::{HostTensor, LANES, exp, in_place, vectorized};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use rayon::prelude::*;

/// What is known of a row's distribution after some of the vocabulary.
#[derive(Debug, Clone, Copy)]
struct Row {
    target: usize,
    /// `z` of the target, once it was met.
    target_z: f32,
    /// The largest `z`.
    max: f32,
    /// `Σ exp(z − max)`
    sum: f64,
    /// `Σ (z − max) exp(z − max)`
    weighted: f64,
}

/// The rows of a tile.
pub(super) struct Rows {
    rows: Vec<Row>,
    /// One over the temperature.
    scale: f32,
}

impl Row {
    /// Takes in the logits from column `first` on.
    fn add(&mut self, logits: &[f32], first: usize, scale: f32) {
        if let Some(z) = self.target.checked_sub(first).and_then(|at| logits.get(at)) {
            self.target_z = z * scale;
        }
        let (max, sum, weighted) = vectorized(|| moments(logits, scale));
        let (sum, weighted) = (f64::from(sum), f64::from(weighted));
        // Both sums from now on are about the larger of the two maxima.
        let top = if max > self.max { max } else { self.max };
        let about_top = |sum: f64, weighted: f64, max: f32| {
            let shift = f64::from(max) - f64::from(top);
            match sum > 0.0 {
                true => (shift.exp() * sum, shift.exp() * (weighted + shift * sum)),
                // Nothing was met yet, or all that was met is not a number.
                false => (sum, weighted),
            }
        };
        let (a, b) = (
            about_top(self.sum, self.weighted, self.max),
            about_top(sum, weighted, max),
        );
        (self.max, self.sum, self.weighted) = (top, a.0 + b.0, a.1 + b.1);
    }
}

/// The largest of `z = logits · scale`, `Σ exp(z − max)` and `Σ (z − max) exp(z − max)`.
#[inline(always)]
fn moments(logits: &[f32], scale: f32) -> (f32, f32, f32) {
    let (mut tops, mut sums, mut weighted) =
        ([f32::NEG_INFINITY; LANES], [0.0; LANES], [0.0; LANES]);
    for part in logits.chunks(LANES) {
        for (top, x) in tops.iter_mut().zip(part) {
            let z = x * scale;
            *top = if z > *top { z } else { *top };
        }
    }
    let max = tops.into_iter().fold(f32::NEG_INFINITY, f32::max);
    let whole = logits.chunks_exact(LANES);
    let rest = whole.remainder();
    for part in whole {
        for i in 0..LANES {
            let z = part[i] * scale - max;
            let e = exp(z);
            sums[i] += e;
            weighted[i] += z * e;
        }
    }
    for (i, x) in rest.iter().enumerate() {
        let z = x * scale - max;
        let e = exp(z);
        sums[i] += e;
        weighted[i] += z * e;
    }
    (max, sums.iter().sum(), weighted.iter().sum())
}

impl Softmax for Rows {
    fn new(ids: Tensor<1, Int>, temperature: f64) -> Self {
        let row = |id: i64| Row {
            target: id as usize,
            target_z: f32::NAN,
            max: f32::NEG_INFINITY,
            sum: 0.0,
            weighted: 0.0,
        };
        Self {
            rows: ids.into_data().iter::<i64>().map(row).collect(),
            scale: (1.0 / temperature) as f32,
        }
    }

    fn add(&mut self, logits: Tensor<2>, first: usize) {
        let columns = logits.dims()[1];
        let (logits, scale) = (HostTensor::take(logits), self.scale);
        let logits = logits.values().par_chunks_exact(columns);
        let rows = self.rows.par_iter_mut().zip(logits);
        rows.for_each(|(row, logits)| row.add(logits, first, scale));
    }

    fn finish(self, device: &Device) -> FlatScores {
        let n = self.rows.len();
        let column = |of: &dyn Fn(&Row) -> f64| {
            let values: Vec<f32> = self.rows.iter().map(|row| of(row) as f32).collect();
            Tensor::from_data(TensorData::new(values, [n]), (device, DType::F32))
        };
        let log_z = |row: &Row| f64::from(row.max) + row.sum.ln();
        FlatScores {
            logp: column(&|row| f64::from(row.target_z) - log_z(row)),
            entropy: column(&|row| row.sum.ln() - row.weighted / row.sum),
            log_z: column(&log_z),
        }
    }
}

/// What the gradient of a row's logits is made of.
#[derive(Debug, Clone, Copy)]
struct RowGradient {
    target: usize,
    log_z: f32,
    entropy: f32,
    d_logp: f32,
    d_entropy: f32,
}

/// The gradients of a tile's logits.
pub(super) struct Gradients {
    rows: Vec<RowGradient>,
    scale: f32,
}

impl Backward for Gradients {
    fn new(
        ids: Tensor<1, Int>,
        temperature: f64,
        scores: FlatScores,
        upstream: HeadUpstream,
    ) -> Self {
        let list = |x: Tensor<1>| x.into_data().iter::<f32>().collect::<Vec<_>>();
        let (log_z, entropy) = (list(scores.log_z), list(scores.entropy));
        let (d_logp, d_entropy) = (list(upstream.logp), upstream.entropy.map(list));
        let row = |(i, id): (usize, i64)| RowGradient {
            target: id as usize,
            log_z: log_z[i],
            entropy: entropy[i],
            d_logp: d_logp[i],
            d_entropy: d_entropy.as_ref().map_or(0.0, |d| d[i]),
        };
        Self {
            rows: ids.into_data().iter::<i64>().enumerate().map(row).collect(),
            scale: (1.0 / temperature) as f32,
        }
    }

    fn logits(&self, logits: Tensor<2>, first: usize) -> Tensor<2> {
        let columns = logits.dims()[1];
        in_place(logits, |values| {
            let rows = values.par_chunks_exact_mut(columns).zip(&self.rows);
            rows.for_each(|(values, row)| {
                vectorized(|| row.replace(values, self.scale));
                let target = row.target.checked_sub(first);
                if let Some(value) = target.and_then(|at| values.get_mut(at)) {
                    *value += row.d_logp * self.scale;
                }
            });
        })
    }
}

impl RowGradient {
    /// Replaces logits by their gradients, those of the target's one-hot vector aside.
    #[inline(always)]
    fn replace(&self, logits: &mut [f32], scale: f32) {
        let (a, b) = (self.d_logp * scale, self.d_entropy * scale);
        for x in logits {
            let logp = *x * scale - self.log_z;
            *x = -exp(logp) * (a + b * (logp + self.entropy));
        }
    }
}
