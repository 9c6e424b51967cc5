//! A linear layer whose weight keeps the Hugging Face layout.

use super::lazy_param;
use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, module::linear},
};

/// `y = x · weightᵀ + bias`.
///
/// The weight stays `[out, in]` as in the checkpoint: no transpose while loading, and the fast
/// layout for decoding one token at a time.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[out, in]`
    pub weight: Param<Tensor<2>>,
    /// `[out]`
    pub bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// A layer of the given size, not yet loaded.
    pub fn new(d_in: usize, d_out: usize, bias: bool, device: &Device) -> Self {
        Self {
            weight: lazy_param([d_out, d_in], 0.0, device),
            bias: bias.then(|| lazy_param([d_out], 0.0, device)),
        }
    }

    /// Applies the layer to the last dimension.
    ///
    /// # Shapes
    /// - input: `[..., in]`
    /// - output: `[..., out]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        linear(
            x,
            self.weight.val().transpose(),
            self.bias.as_ref().map(Param::val),
        )
    }
}
