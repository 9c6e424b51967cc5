//! Attention of sequences that lie one after the other in a row without padding, some of which
//! continue a prompt they share.
//!
//! Queries are taken some at a time, in *tiles*: a tile's scores are made, turned into
//! probabilities in place, and used; no more scores exist at a time, forward or backward. The
//! backward pass makes them again, so that nothing of them is kept.

mod key_sum;
mod softmax;

use crate::device::runs_on_host;
use burn::tensor::{DType, Device, Tensor};
use key_sum::KeySum;
use std::ops::Range;

/// Queries of a tile on a host, at most.
pub(crate) const TILE_QUERIES: usize = 128;

/// The same on an accelerator, which would wait for its next work most of the time otherwise.
const ACCELERATOR_QUERIES: usize = 1024;

/// Scores of a tile over all heads, at most, unless one query has more: 64 MiB in f32.
pub(crate) const TILE_SCORES: usize = 1 << 24;

/// A sequence, or a part of one: each of its tokens sees those before it in the segment and all of
/// the context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// A segment that lies before and is read as its beginning.
    pub context: Option<Range<usize>>,
    /// Its tokens.
    pub own: Range<usize>,
}

/// What sees what in a row of segments that follow each other without a gap.
#[derive(Debug, Clone)]
pub struct Segments {
    tiles: Vec<Tile>,
}

/// Some neighbouring queries.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tile {
    /// The keys that all of them see, beside those of their own tokens.
    context: Vec<Range<usize>>,
    /// Their tokens.
    own: Range<usize>,
    /// Of each query, the first of the tile's tokens that it sees, counted within the tile: it sees
    /// those from there to itself.
    first: Vec<usize>,
}

impl Segments {
    /// Segments in their order, read by a model of `heads` query heads on `device`.
    pub fn new(segments: &[Segment], heads: usize, device: &Device) -> Self {
        let most = match runs_on_host(device) {
            true => TILE_QUERIES,
            false => ACCELERATOR_QUERIES,
        };
        let mut tiles: Vec<Tile> = vec![];
        for Segment { context, own } in segments {
            let context: Vec<Range<usize>> = context.iter().cloned().collect();
            let keys = own.len() + context.iter().map(Range::len).sum::<usize>();
            let queries = (TILE_SCORES / (heads * keys).max(1)).clamp(1, most);
            let fits =
                |tile: &&mut Tile| tile.context == context && tile.own.len() + own.len() <= queries;
            if let Some(tile) = tiles.last_mut().filter(fits) {
                let first = own.start - tile.own.start;
                tile.own.end = own.end;
                tile.first.resize(tile.own.len(), first);
                continue;
            }
            for start in own.clone().step_by(queries) {
                let part = start..own.end.min(start + queries);
                let mut context = context.clone();
                context.extend((start > own.start).then_some(own.start..start));
                tiles.push(Tile {
                    first: vec![0; part.len()],
                    own: part,
                    context,
                });
            }
        }
        Self { tiles }
    }

    /// Grouped attention ([`grouped_attention`](super::attention::grouped_attention)) within the
    /// segments. Under autodiff all scores are kept.
    ///
    /// # Shapes
    /// - q and output: `[1, H, N, d]`; k, v: `[1, K, N, d]`
    pub fn attend(&self, q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
        let [_, heads, _, d] = q.dims();
        let attended = |tile: &Tile| {
            let v = tile.keys(&v);
            let p = tile.probabilities(&q, &k);
            let found = p.cast(v.dtype()).matmul(v);
            found.reshape([1, heads, tile.own.len(), d])
        };
        match self.tiles.is_empty() {
            true => q,
            false => Tensor::cat(self.tiles.iter().map(attended).collect(), 2),
        }
    }

    /// Gradients of `Σ attend(q, k, v) · upstream` by q, k and v, of plain tensors.
    ///
    /// # Shapes
    /// - as [`attend`](Self::attend); upstream: `[1, H, N, d]`
    pub fn backward(
        &self,
        q: Tensor<4>,
        k: Tensor<4>,
        v: Tensor<4>,
        upstream: Tensor<4>,
    ) -> [Tensor<4>; 3] {
        let [_, heads, _, d] = q.dims();
        let dtype = q.dtype();
        let (mut d_q, mut d_k, mut d_v) = (vec![], KeySum::new(&k), KeySum::new(&v));
        for tile in &self.tiles {
            let (keys, values) = (tile.keys(&k), tile.keys(&v));
            let kv = keys.dims()[1];
            let up = tile.queries(&upstream, kv);
            let p = tile.probabilities(&q, &k);
            let d_p = up.clone().matmul(values.transpose()).cast(DType::F32);
            d_v.add(tile, p.clone().cast(dtype).transpose().matmul(up));
            let d_scores = softmax::backward(p, d_p, scale(d)).cast(dtype);
            let own = d_scores.clone().matmul(keys);
            d_q.push(own.reshape([1, heads, tile.own.len(), d]));
            d_k.add(tile, d_scores.transpose().matmul(tile.queries(&q, kv)));
        }
        let d_q = match d_q.is_empty() {
            true => q,
            false => Tensor::cat(d_q, 2),
        };
        [d_q, d_k.finish(), d_v.finish()]
    }
}

fn scale(head_dim: usize) -> f64 {
    1.0 / (head_dim as f64).sqrt()
}

impl Tile {
    /// What its queries see, in the order of the keys: the context, and then its own tokens.
    fn ranges(&self) -> impl Iterator<Item = &Range<usize>> {
        self.context.iter().chain([&self.own])
    }

    fn context_len(&self) -> usize {
        self.context.iter().map(Range::len).sum()
    }

    /// The keys or values that are seen.
    ///
    /// # Shapes
    /// - input: `[1, K, N, d]`
    /// - output: `[1, K, S, d]`
    fn keys(&self, x: &Tensor<4>) -> Tensor<4> {
        let part = |range: &Range<usize>| x.clone().narrow(2, range.start, range.len());
        match self.context.as_slice() {
            [] => part(&self.own),
            [before] if before.end == self.own.start => part(&(before.start..self.own.end)),
            _ => Tensor::cat(self.ranges().map(part).collect(), 2),
        }
    }

    /// Its queries, those of the heads that share keys in one matrix.
    ///
    /// # Shapes
    /// - input: `[1, H, N, d]`
    /// - output: `[1, K, H / K · n, d]`
    fn queries(&self, x: &Tensor<4>, kv: usize) -> Tensor<4> {
        let [_, heads, _, d] = x.dims();
        let n = self.own.len();
        let own = x.clone().narrow(2, self.own.start, n);
        own.reshape([1, kv, heads / kv * n, d])
    }

    /// `[1, K, H / K · n, S]`, in f32
    fn probabilities(&self, q: &Tensor<4>, k: &Tensor<4>) -> Tensor<4> {
        let (kv, d) = (k.dims()[1], k.dims()[3]);
        let scores = self.queries(q, kv).matmul(self.keys(k).transpose());
        let scores = scores.cast(DType::F32);
        match runs_on_host(&scores.device()) && !scores.is_autodiff() {
            true => softmax::on_host(scores, self, scale(d)),
            false => softmax::with_ops(scores, self, scale(d)),
        }
    }
}

#[cfg(test)]
mod tests;
