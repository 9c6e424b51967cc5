//! Attention of single queries to pages of keys and values on a host.
//!
//! Keys are taken in tiles of 64, with an online softmax
//! ([arXiv:1805.02867](https://arxiv.org/abs/1805.02867)); up to four queries read a tile together.
//! The arithmetic of a query is the same whoever its neighbours are.

use crate::host::{exp, vectorized};

/// Positions of a page, and values of a vector.
pub(crate) const PAGE: usize = 16;

/// Pages of a tile.
const TILE: usize = 4;

/// Widths of a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageLayout {
    /// K
    pub heads: usize,
    /// Width of a head.
    pub dim: usize,
}

/// One page: of each head its keys `[dim, PAGE]`, so that scores of neighbouring keys are made side
/// by side, and then its values `[PAGE, padded dim]`.
pub(super) type Page = Box<[f32]>;

impl PageLayout {
    /// Width of a row of values: whole vectors.
    fn padded(self) -> usize {
        self.dim.next_multiple_of(PAGE)
    }

    /// Values of a page that belong to one head.
    fn head_len(self) -> usize {
        PAGE * (self.dim + self.padded())
    }

    /// An empty page.
    pub fn page(self) -> Page {
        vec![0.0; self.heads * self.head_len()].into()
    }

    /// Writes the key and the value of one head at a place in a page.
    pub fn write(self, page: &mut [f32], head: usize, at: usize, key: &[f32], value: &[f32]) {
        let own = &mut page[head * self.head_len()..][..self.head_len()];
        let (keys, values) = own.split_at_mut(PAGE * self.dim);
        for (i, x) in key.iter().enumerate() {
            keys[i * PAGE + at] = *x;
        }
        values[at * self.padded()..][..self.dim].copy_from_slice(value);
    }
}

/// Queries of one head, and what they have seen so far.
pub(super) struct Queries {
    layout: PageLayout,
    head: usize,
    /// `[n, dim]`, scaled
    q: Vec<f32>,
    /// The largest score of each.
    max: Vec<f32>,
    /// `Σ exp(score − max)`, side by side.
    sums: Vec<[f32; PAGE]>,
    /// `Σ exp(score − max) · value`, `[n, padded dim]`
    weighted: Vec<f32>,
}

impl Queries {
    /// Queries `[n, dim]` that are divided by √dim.
    pub fn new<'a>(
        layout: PageLayout,
        head: usize,
        queries: impl Iterator<Item = &'a [f32]>,
    ) -> Self {
        let scale = (1.0 / (layout.dim as f64).sqrt()) as f32;
        let q: Vec<f32> = queries.flatten().map(|x| x * scale).collect();
        let n = q.len() / layout.dim;
        Self {
            layout,
            head,
            q,
            max: vec![f32::NEG_INFINITY; n],
            sums: vec![[0.0; PAGE]; n],
            weighted: vec![0.0; n * layout.padded()],
        }
    }

    /// `n` of the queries from `first` on see the first `len` positions of `pages`.
    pub fn see(&mut self, first: usize, n: usize, pages: &[Page], len: usize) {
        let mut left = len;
        for tile in pages.chunks(TILE) {
            let keys = left.min(TILE * PAGE);
            left -= keys;
            if keys == 0 {
                break;
            }
            let mut at = first;
            while at < first + n {
                let width = (first + n - at).min(4);
                match width {
                    4 => vectorized(|| self.tile::<4>(at, tile, keys)),
                    3 => vectorized(|| self.tile::<3>(at, tile, keys)),
                    2 => vectorized(|| self.tile::<2>(at, tile, keys)),
                    _ => vectorized(|| self.tile::<1>(at, tile, keys)),
                }
                at += width;
            }
        }
    }

    #[inline(always)]
    fn tile<const Q: usize>(&mut self, at: usize, pages: &[Page], keys: usize) {
        let (dim, padded) = (self.layout.dim, self.layout.padded());
        let head = self.head * self.layout.head_len();
        let q: [&[f32]; Q] = std::array::from_fn(|j| &self.q[(at + j) * dim..][..dim]);
        let mut scores = [[[f32::NEG_INFINITY; PAGE]; TILE]; Q];
        for (p, page) in pages.iter().enumerate() {
            let there = keys.saturating_sub(p * PAGE).min(PAGE);
            let columns = page[head..][..dim * PAGE].chunks_exact(PAGE);
            let mut sums = [[0.0; PAGE]; Q];
            for (i, column) in columns.enumerate() {
                for j in 0..Q {
                    let x = q[j][i];
                    for l in 0..PAGE {
                        sums[j][l] += x * column[l];
                    }
                }
            }
            for j in 0..Q {
                scores[j][p][..there].copy_from_slice(&sums[j][..there]);
            }
        }
        for (j, scores) in scores.iter_mut().enumerate() {
            let mut tops = [self.max[at + j]; PAGE];
            for page in &*scores {
                for l in 0..PAGE {
                    tops[l] = if page[l] > tops[l] { page[l] } else { tops[l] };
                }
            }
            let max = tops.into_iter().fold(f32::NEG_INFINITY, f32::max);
            let kept = exp(self.max[at + j] - max);
            self.max[at + j] = max;
            let sums = &mut self.sums[at + j];
            sums.iter_mut().for_each(|sum| *sum *= kept);
            for page in scores {
                for l in 0..PAGE {
                    page[l] = exp(page[l] - max);
                    sums[l] += page[l];
                }
            }
            let weighted = &mut self.weighted[(at + j) * padded..][..padded];
            weighted.iter_mut().for_each(|x| *x *= kept);
        }
        for chunk in (0..padded).step_by(PAGE) {
            let mut sums = [[0.0; PAGE]; Q];
            for (j, sums) in sums.iter_mut().enumerate() {
                let own = &self.weighted[(at + j) * padded + chunk..][..PAGE];
                sums.copy_from_slice(own);
            }
            for (p, page) in pages.iter().enumerate() {
                let there = keys.saturating_sub(p * PAGE).min(PAGE);
                let values = &page[head + dim * PAGE..][..PAGE * padded];
                let rows = values.chunks_exact(padded).take(there);
                for (key, row) in rows.enumerate() {
                    let row = &row[chunk..chunk + PAGE];
                    for j in 0..Q {
                        let weight = scores[j][p][key];
                        for l in 0..PAGE {
                            sums[j][l] += weight * row[l];
                        }
                    }
                }
            }
            for (j, sums) in sums.iter().enumerate() {
                let own = &mut self.weighted[(at + j) * padded + chunk..][..PAGE];
                own.copy_from_slice(sums);
            }
        }
    }

    /// `[n, dim]`: the means of the values that were seen.
    pub fn finish(self) -> Vec<f32> {
        let (dim, padded) = (self.layout.dim, self.layout.padded());
        let rows = self.weighted.chunks_exact(padded).zip(&self.sums);
        let mean = |(row, sums): (&[f32], &[f32; PAGE])| {
            let factor = 1.0 / sums.iter().sum::<f32>();
            let scaled = row[..dim].iter().map(move |x| x * factor);
            scaled.collect::<Vec<_>>()
        };
        rows.flat_map(mean).collect()
    }
}
