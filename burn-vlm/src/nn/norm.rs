//! Root-mean-square normalisation.

use super::lazy_param;
use burn::{
    module::{Module, Param},
    tensor::{DType, Device, Tensor},
};

/// `x / √(mean(x²) + ε) · weight` ([arXiv:1910.07467](https://arxiv.org/abs/1910.07467)),
/// computed in f32 whatever the dtype of `x`.
#[derive(Module, Debug)]
pub struct RmsNorm {
    /// `[D]`
    pub weight: Param<Tensor<1>>,
    eps: f64,
}

impl RmsNorm {
    /// A norm over the last `d` values, not yet loaded.
    pub fn new(d: usize, eps: f64, device: &Device) -> Self {
        Self {
            weight: lazy_param([d], 1.0, device),
            eps,
        }
    }

    /// Normalises the last dimension.
    ///
    /// # Shapes
    /// - input and output: `[..., D]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let dtype = x.dtype();
        let x = x.cast(DType::F32);
        let scale = x
            .clone()
            .square()
            .mean_dim(D - 1)
            .add_scalar(self.eps)
            .sqrt()
            .recip();
        (x * scale).cast(dtype) * self.weight.val().unsqueeze()
    }
}
