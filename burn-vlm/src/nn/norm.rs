//! Normalisation of the last dimension.

use super::tensors::lazy_param;
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

/// `(x − mean(x)) / √(var(x) + ε) · weight + bias`
/// ([arXiv:1607.06450](https://arxiv.org/abs/1607.06450)), computed in f32 whatever the dtype of
/// `x`.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// `[D]`
    pub weight: Param<Tensor<1>>,
    /// `[D]`
    pub bias: Param<Tensor<1>>,
    eps: f64,
}

/// Which norm a block has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// [`RmsNorm`]
    Rms,
    /// [`LayerNorm`]
    Layer,
}

/// Either norm.
#[derive(Module, Debug)]
pub enum Norm {
    /// Root-mean-square.
    Rms(RmsNorm),
    /// Mean and variance.
    Layer(LayerNorm),
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
        let weight = self.weight.val().cast(DType::F32);
        (x * scale * weight.unsqueeze()).cast(dtype)
    }
}

impl LayerNorm {
    /// A norm over the last `d` values, not yet loaded.
    pub fn new(d: usize, eps: f64, device: &Device) -> Self {
        Self {
            weight: lazy_param([d], 1.0, device),
            bias: lazy_param([d], 0.0, device),
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
        let x = x.clone() - x.mean_dim(D - 1);
        let scale = x
            .clone()
            .square()
            .mean_dim(D - 1)
            .add_scalar(self.eps)
            .sqrt()
            .recip();
        let weight = self.weight.val().cast(DType::F32);
        let bias = self.bias.val().cast(DType::F32);
        (x * scale * weight.unsqueeze() + bias.unsqueeze()).cast(dtype)
    }
}

impl Norm {
    /// A norm over the last `d` values, not yet loaded.
    pub fn new(kind: NormKind, d: usize, eps: f64, device: &Device) -> Self {
        match kind {
            NormKind::Rms => Self::Rms(RmsNorm::new(d, eps, device)),
            NormKind::Layer => Self::Layer(LayerNorm::new(d, eps, device)),
        }
    }

    /// Normalises the last dimension.
    ///
    /// # Shapes
    /// - input and output: `[..., D]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Rms(norm) => norm.forward(x),
            Self::Layer(norm) => norm.forward(x),
        }
    }
}
