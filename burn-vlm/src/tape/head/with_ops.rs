//! Tiles of logits through Burn's operations, on any device.

use super::{Backward, FlatScores, HeadUpstream, Softmax};
use burn::tensor::{Bool, DType, Device, Int, Tensor};

/// The rows of a tile, as columns `[n, 1]`.
pub(super) struct Rows {
    ids: Tensor<2, Int>,
    temperature: f64,
    target_z: Tensor<2>,
    max: Option<Tensor<2>>,
    sum: Tensor<2>,
    weighted: Tensor<2>,
}

/// Where each target is among the columns from `first` on, and whether it is none of them.
fn place(ids: &Tensor<2, Int>, first: usize, columns: usize) -> (Tensor<2, Int>, Tensor<2, Bool>) {
    let at = ids.clone().sub_scalar(first as i64);
    let outside = at
        .clone()
        .lower_elem(0)
        .bool_or(at.clone().greater_equal_elem(columns as i64));
    (at.mask_fill(outside.clone(), 0), outside)
}

impl Softmax for Rows {
    fn new(ids: Tensor<1, Int>, temperature: f64) -> Self {
        let ids: Tensor<2, Int> = ids.unsqueeze_dim(1);
        let zeros = Tensor::zeros(ids.dims(), (&ids.device(), DType::F32));
        Self {
            ids,
            temperature,
            target_z: zeros.clone(),
            max: None,
            sum: zeros.clone(),
            weighted: zeros,
        }
    }

    fn add(&mut self, logits: Tensor<2>, first: usize) {
        let (at, outside) = place(&self.ids, first, logits.dims()[1]);
        let z = logits.div_scalar(self.temperature);
        let own = z.clone().gather(1, at).mask_fill(outside, 0.0);
        self.target_z.inplace(|target| target + own);
        let max = z.clone().max_dim(1);
        let z = z - max.clone();
        let e = z.clone().exp();
        let (sum, weighted) = (e.clone().sum_dim(1), (z * e).sum_dim(1));
        let Some(before) = self.max.take() else {
            (self.max, self.sum, self.weighted) = (Some(max), sum, weighted);
            return;
        };
        let top = before.clone().max_pair(max.clone());
        let about_top = |sum: Tensor<2>, weighted: Tensor<2>, max: Tensor<2>| {
            let shift = max - top.clone();
            let factor = shift.clone().exp();
            let weighted = factor.clone() * (weighted + shift * sum.clone());
            (factor * sum, weighted)
        };
        let a = about_top(self.sum.clone(), self.weighted.clone(), before);
        let b = about_top(sum, weighted, max);
        (self.sum, self.weighted) = (a.0 + b.0, a.1 + b.1);
        self.max = Some(top);
    }

    fn finish(self, _: &Device) -> FlatScores {
        let n = self.ids.dims()[0];
        let log_sum = self.sum.clone().log();
        let log_z = match self.max {
            Some(max) => max + log_sum.clone(),
            None => log_sum.clone(),
        };
        FlatScores {
            logp: (self.target_z - log_z.clone()).reshape([n]),
            entropy: (log_sum - self.weighted / self.sum).reshape([n]),
            log_z: log_z.reshape([n]),
        }
    }
}

/// The gradients of a tile's logits.
pub(super) struct Gradients {
    ids: Tensor<2, Int>,
    temperature: f64,
    log_z: Tensor<2>,
    entropy: Tensor<2>,
    d_logp: Tensor<2>,
    d_entropy: Option<Tensor<2>>,
}

impl Backward for Gradients {
    fn new(
        ids: Tensor<1, Int>,
        temperature: f64,
        scores: FlatScores,
        upstream: HeadUpstream,
    ) -> Self {
        Self {
            ids: ids.unsqueeze_dim(1),
            temperature,
            log_z: scores.log_z.unsqueeze_dim(1),
            entropy: scores.entropy.unsqueeze_dim(1),
            d_logp: upstream.logp.unsqueeze_dim(1),
            d_entropy: upstream.entropy.map(|d| d.unsqueeze_dim(1)),
        }
    }

    fn logits(&self, logits: Tensor<2>, first: usize) -> Tensor<2> {
        let (at, outside) = place(&self.ids, first, logits.dims()[1]);
        let logp = logits.div_scalar(self.temperature) - self.log_z.clone();
        let p = logp.clone().exp();
        let factor = match &self.d_entropy {
            Some(d) => (logp + self.entropy.clone()) * d.clone() + self.d_logp.clone(),
            None => self.d_logp.clone(),
        };
        let own = self.d_logp.clone().mask_fill(outside, 0.0);
        (p.neg() * factor)
            .scatter(1, at, own, burn::tensor::IndexingUpdateOp::Add)
            .div_scalar(self.temperature)
    }
}
