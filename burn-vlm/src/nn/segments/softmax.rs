//! From the scores of a tile to probabilities, and back.

use super::Tile;
use crate::{
    device::runs_on_host,
    host::{HostTensor, exp, in_place, vectorized},
    nn::int_tensor,
};
use burn::tensor::{Int, Tensor, activation::softmax};
use rayon::prelude::*;

/// A score this low is as good as none.
const MASKED: f32 = -1.0e30;

/// Values that are summed side by side.
const LANES: usize = 16;

/// Values that one thread takes at a time, at least.
const PIECE: usize = 1 << 13;

/// Probabilities of a tile, in place, all cores on the rows.
///
/// # Shapes
/// - scores and output: `[1, K, H / K · n, S]`
pub(super) fn on_host(scores: Tensor<4>, tile: &Tile, scale: f64) -> Tensor<4> {
    let keys = scores.dims()[3];
    let (context, n, scale) = (tile.context_len(), tile.own.len(), scale as f32);
    let rows = PIECE.div_ceil(keys);
    in_place(scores, |values| {
        let pieces = values.par_chunks_mut(rows * keys).enumerate();
        pieces.for_each(|(piece, values)| {
            for (i, row) in values.chunks_exact_mut(keys).enumerate() {
                let query = (piece * rows + i) % n;
                let seen = context + tile.first[query]..context + query + 1;
                vectorized(|| probabilities(row, context, seen.start, seen.end, scale));
            }
        });
    })
}

/// The softmax of what a row sees, which is `..context` and `start..end`; 0 elsewhere.
#[inline(always)]
fn probabilities(row: &mut [f32], context: usize, start: usize, end: usize, scale: f32) {
    let (before, own) = row.split_at_mut(context);
    let (start, end) = (start - context, end - context);
    own[..start].fill(0.0);
    own[end..].fill(0.0);
    let own = &mut own[start..end];
    let max = largest(before, largest(own, f32::NEG_INFINITY));
    let sum = exponentials(before, max, scale) + exponentials(own, max, scale);
    let factor = 1.0 / sum;
    before.iter_mut().for_each(|x| *x *= factor);
    own.iter_mut().for_each(|x| *x *= factor);
}

#[inline(always)]
fn largest(values: &[f32], floor: f32) -> f32 {
    let mut tops = [floor; LANES];
    for part in values.chunks(LANES) {
        for (top, x) in tops.iter_mut().zip(part) {
            *top = if *x > *top { *x } else { *top };
        }
    }
    tops.into_iter().fold(floor, f32::max)
}

/// Replaces each x by `exp((x − max) · scale)` and sums them.
#[inline(always)]
fn exponentials(values: &mut [f32], max: f32, scale: f32) -> f32 {
    let mut sums = [0.0; LANES];
    let mut whole = values.chunks_exact_mut(LANES);
    for part in &mut whole {
        for (sum, x) in sums.iter_mut().zip(part) {
            *x = exp((*x - max) * scale);
            *sum += *x;
        }
    }
    for (sum, x) in sums.iter_mut().zip(whole.into_remainder()) {
        *x = exp((*x - max) * scale);
        *sum += *x;
    }
    sums.iter().sum()
}

/// The same through Burn's operations, on any device and under autodiff.
pub(super) fn with_ops(scores: Tensor<4>, tile: &Tile, scale: f64) -> Tensor<4> {
    let [_, kv, rows, keys] = scores.dims();
    let (context, n) = (tile.context_len(), tile.own.len());
    let device = scores.device();
    let column = |values: Vec<i64>| {
        int_tensor(values, &device)
            .reshape([n, 1])
            .expand([n, keys])
    };
    let first = column(tile.first.iter().map(|first| *first as i64).collect());
    let query = column((0..n as i64).collect());
    let key = Tensor::<1, Int>::arange(-(context as i64)..(keys - context) as i64, &device);
    let key = key.reshape([1, keys]).expand([n, keys]);
    let is_own = key.clone().greater_equal_elem(0);
    let is_elsewhere = key.clone().lower(first).bool_or(key.greater(query));
    let mask = is_own.bool_and(is_elsewhere).reshape([1, 1, 1, n, keys]);
    let shape = [1, kv, rows / n, n, keys];
    let scores = scores.mul_scalar(scale).reshape(shape);
    let scores = scores.mask_fill(mask.expand(shape), MASKED);
    softmax(scores, 4).reshape([1, kv, rows, keys])
}

/// The gradient of scores, before `scale`, from probabilities and their gradient: `p · (d − Σ p d)`
/// times `scale`.
pub(super) fn backward(p: Tensor<4>, d_p: Tensor<4>, scale: f64) -> Tensor<4> {
    if !runs_on_host(&p.device()) {
        let mean = (p.clone() * d_p.clone()).sum_dim(3);
        return (p * (d_p - mean)).mul_scalar(scale);
    }
    let keys = p.dims()[3];
    let (p, scale) = (HostTensor::take(p), scale as f32);
    let piece = PIECE.div_ceil(keys) * keys;
    in_place(d_p, |values| {
        let pieces = values.par_chunks_mut(piece);
        pieces.zip(p.values().par_chunks(piece)).for_each(|(d, p)| {
            let rows = d.chunks_exact_mut(keys).zip(p.chunks_exact(keys));
            rows.for_each(|(d, p)| vectorized(|| d_scores(d, p, scale)));
        });
    })
}

#[inline(always)]
fn d_scores(d: &mut [f32], p: &[f32], scale: f32) {
    let mut sums = [0.0; LANES];
    for (d, p) in d.chunks(LANES).zip(p.chunks(LANES)) {
        for ((sum, d), p) in sums.iter_mut().zip(d).zip(p) {
            *sum += d * p;
        }
    }
    let mean: f32 = sums.iter().sum();
    d.iter_mut()
        .zip(p)
        .for_each(|(d, p)| *d = p * (*d - mean) * scale);
}
