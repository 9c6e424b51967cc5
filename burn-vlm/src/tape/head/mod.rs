//! The head in tiles, forward and in closed form backward.
//!
//! With `z` the logits over the temperature, `p = softmax(z)` and `H = −Σ p log p`:
//! `∂L/∂z = ∂L/∂log p(y) · (onehot(y) − p) − ∂L/∂H · p · (log p + H)`.
//!
//! A tile is the logits of some tokens for a part of the vocabulary. A softmax is put together from
//! its parts ([arXiv:1805.02867](https://arxiv.org/abs/1805.02867)), so a row of logits never exists
//! as a whole, and the gradient of a part of the weight is complete after one tile. A row's numbers
//! depend on the part's width, never on the tokens beside it.

mod on_host;
mod with_ops;

use super::rows::RowSum;
use crate::device::runs_on_host;
use burn::tensor::{DType, Device, Int, Tensor};

/// Tokens of a tile, at most.
pub const TILE_ROWS: usize = 1024;

/// Entries of the vocabulary in a tile, at most: 32 MiB at a time, the weight's part of which stays
/// in the cache.
pub const TILE_COLUMNS: usize = 8192;

/// Log-probability of each target and entropy of the distribution it was drawn from, in nats.
#[derive(Debug, Clone)]
pub struct TokenScores {
    /// `[B, R]`
    pub logp: Tensor<2>,
    /// `[B, R]`
    pub entropy: Tensor<2>,
}

/// Of the targets in a row, `[N]` each.
#[derive(Debug, Clone)]
pub(super) struct FlatScores {
    pub logp: Tensor<1>,
    pub entropy: Tensor<1>,
    /// `log Σ exp z`
    pub log_z: Tensor<1>,
}

/// Derivatives of a loss, `[N]` each.
pub(super) struct HeadUpstream {
    pub logp: Tensor<1>,
    pub entropy: Option<Tensor<1>>,
}

/// What is predicted, from what, and by which weight.
pub(super) struct Head<'a> {
    /// `[N, D]`
    pub hidden: &'a Tensor<2>,
    /// `[V, D]`
    pub weight: Tensor<2>,
    /// `[N]`
    pub ids: &'a Tensor<1, Int>,
    /// Divides the logits.
    pub temperature: f64,
}

/// A part of something: where it begins, and how long it is.
type Part = (usize, usize);

fn parts(n: usize, width: usize) -> impl Iterator<Item = Part> {
    let part = move |start| (start, width.min(n - start));
    (0..n).step_by(width).map(part)
}

/// What is found of a tile's rows, part of the vocabulary by part.
trait Softmax: Sized {
    fn new(ids: Tensor<1, Int>, temperature: f64) -> Self;
    /// Takes in the logits `[n, columns]` from column `first` on.
    fn add(&mut self, logits: Tensor<2>, first: usize);
    fn finish(self, device: &Device) -> FlatScores;
}

/// Turns the logits of a tile into their gradients.
trait Backward: Sized {
    fn new(
        ids: Tensor<1, Int>,
        temperature: f64,
        scores: FlatScores,
        upstream: HeadUpstream,
    ) -> Self;
    /// From the logits `[n, columns]` from column `first` on to their gradients.
    fn logits(&self, logits: Tensor<2>, first: usize) -> Tensor<2>;
}

impl Head<'_> {
    fn device(&self) -> Device {
        self.hidden.device()
    }

    fn logits(&self, hidden: &Tensor<2>, (first, n): Part) -> Tensor<2> {
        let weight = self.weight.clone().narrow(0, first, n);
        let weight = weight.cast(hidden.dtype()).transpose();
        hidden.clone().matmul(weight).cast(DType::F32)
    }

    /// Log-probabilities and entropies.
    pub fn scores(&self) -> FlatScores {
        match runs_on_host(&self.device()) {
            true => self.scores_by::<on_host::Rows>(),
            false => self.scores_by::<with_ops::Rows>(),
        }
    }

    fn scores_by<S: Softmax>(&self) -> FlatScores {
        let (device, [n, _]) = (self.device(), self.hidden.dims());
        let mut found = vec![];
        for (start, len) in parts(n, TILE_ROWS) {
            let hidden = self.hidden.clone().narrow(0, start, len);
            let ids = self.ids.clone().narrow(0, start, len);
            let mut rows = S::new(ids, self.temperature);
            for part in parts(self.weight.dims()[0], TILE_COLUMNS) {
                rows.add(self.logits(&hidden, part), part.0);
            }
            found.push(rows.finish(&device));
        }
        let cat = |of: fn(&FlatScores) -> &Tensor<1>| match found.is_empty() {
            true => Tensor::zeros([0], (&device, DType::F32)),
            false => Tensor::cat(found.iter().map(|part| of(part).clone()).collect(), 0),
        };
        FlatScores {
            logp: cat(|part| &part.logp),
            entropy: cat(|part| &part.entropy),
            log_z: cat(|part| &part.log_z),
        }
    }

    /// The gradient of the hidden states, `[N, D]`; that of the weight is added to `weight`, where
    /// one is given. `scores` are those that were found before.
    pub fn backward(
        &self,
        scores: &FlatScores,
        upstream: &HeadUpstream,
        weight: Option<&mut RowSum>,
    ) -> Tensor<2> {
        match runs_on_host(&self.device()) {
            true => self.backward_by::<on_host::Gradients>(scores, upstream, weight),
            false => self.backward_by::<with_ops::Gradients>(scores, upstream, weight),
        }
    }

    fn backward_by<B: Backward>(
        &self,
        scores: &FlatScores,
        upstream: &HeadUpstream,
        mut d_weight: Option<&mut RowSum>,
    ) -> Tensor<2> {
        let ([n, _], dtype) = (self.hidden.dims(), self.hidden.dtype());
        let mut d_hidden = vec![];
        for (start, len) in parts(n, TILE_ROWS) {
            let some = |x: &Tensor<1>| x.clone().narrow(0, start, len);
            let hidden = self.hidden.clone().narrow(0, start, len);
            let ids = self.ids.clone().narrow(0, start, len);
            let scores = FlatScores {
                logp: some(&scores.logp),
                entropy: some(&scores.entropy),
                log_z: some(&scores.log_z),
            };
            let upstream = HeadUpstream {
                logp: some(&upstream.logp),
                entropy: upstream.entropy.as_ref().map(some),
            };
            let rows = B::new(ids, self.temperature, scores, upstream);
            let mut sum: Option<Tensor<2>> = None;
            for part in parts(self.weight.dims()[0], TILE_COLUMNS) {
                let d_logits = rows.logits(self.logits(&hidden, part), part.0);
                let d_logits = d_logits.cast(dtype);
                if let Some(d_weight) = &mut d_weight {
                    d_weight.add(part.0, d_logits.clone().transpose().matmul(hidden.clone()));
                }
                let weight = self.weight.clone().narrow(0, part.0, part.1).cast(dtype);
                let own = d_logits.matmul(weight).cast(DType::F32);
                sum = Some(match sum {
                    Some(sum) => sum + own,
                    None => own,
                });
            }
            d_hidden.extend(sum.map(|sum| sum.cast(dtype)));
        }
        match d_hidden.is_empty() {
            true => self.hidden.zeros_like(),
            false => Tensor::cat(d_hidden, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, TensorData};

    /// More tokens and a larger vocabulary than a tile has.
    #[test]
    fn slices_and_operations_agree() {
        let device = Device::flex();
        device.seed(3);
        let [n, d, v] = [TILE_ROWS + 5, 4, TILE_COLUMNS + 1000];
        let random = |shape| Tensor::<2>::random(shape, Distribution::Normal(0.0, 2.0), &device);
        let ids: Vec<i64> = (0..n).map(|i| (i * 977 % v) as i64).collect();
        let (hidden, ids) = (
            random([n, d]),
            Tensor::<1, Int>::from_data(TensorData::new(ids, [n]), &device),
        );
        let head = Head {
            hidden: &hidden,
            weight: random([v, d]),
            ids: &ids,
            temperature: 0.7,
        };
        let off = |a: Tensor<1>, b: Tensor<1>| {
            let scale: f32 = b.clone().abs().max().into_scalar();
            let off: f32 = (a - b).abs().max().into_scalar();
            off / scale
        };
        let (a, b) = (
            head.scores_by::<on_host::Rows>(),
            head.scores_by::<with_ops::Rows>(),
        );
        assert!(off(a.logp.clone(), b.logp.clone()) < 1e-6);
        assert!(off(a.entropy.clone(), b.entropy.clone()) < 2e-6);
        assert!(off(a.log_z.clone(), b.log_z.clone()) < 1e-6);

        let column = |x: Tensor<2>| x.reshape([n]);
        for with_entropy in [true, false] {
            let upstream = HeadUpstream {
                logp: column(random([n, 1])),
                entropy: with_entropy.then(|| column(random([n, 1]))),
            };
            let zeros = || RowSum::new(Tensor::zeros([v, d], &device));
            let (mut a_weight, mut b_weight) = (zeros(), zeros());
            let a_hidden =
                head.backward_by::<on_host::Gradients>(&a, &upstream, Some(&mut a_weight));
            let b_hidden =
                head.backward_by::<with_ops::Gradients>(&b, &upstream, Some(&mut b_weight));
            let flat = |x: Tensor<2>| {
                let len = x.shape().num_elements();
                x.reshape([len])
            };
            assert!(off(flat(a_hidden), flat(b_hidden)) < 5e-6);
            assert!(off(flat(a_weight.finish()), flat(b_weight.finish())) < 5e-6);
        }
    }

    #[test]
    fn a_token_has_its_numbers_whatever_is_beside_it() {
        let device = Device::flex();
        device.seed(5);
        let random = |shape| Tensor::<2>::random(shape, Distribution::Normal(0.0, 2.0), &device);
        let (hidden, weight) = (random([70, 8]), random([TILE_COLUMNS + 1000, 8]));
        let ids = Tensor::<1, Int>::from_data(TensorData::new(vec![9_i64; 70], [70]), &device);
        let logp = |first: usize, n: usize| -> Vec<f32> {
            let (hidden, ids) = (
                hidden.clone().narrow(0, first, n),
                ids.clone().narrow(0, first, n),
            );
            let head = Head {
                hidden: &hidden,
                weight: weight.clone(),
                ids: &ids,
                temperature: 1.0,
            };
            head.scores().logp.into_data().iter().collect()
        };
        let all = logp(0, 70);
        assert_eq!(all[30..63], logp(30, 33));
    }
}
