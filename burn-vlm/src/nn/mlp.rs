//! The gated feed-forward layer.

use super::Linear;
use burn::{
    module::Module,
    tensor::{Device, Tensor, activation::silu},
};

/// SwiGLU: `down(silu(gate(x)) · up(x))` ([arXiv:2002.05202](https://arxiv.org/abs/2002.05202)).
#[derive(Module, Debug)]
pub struct SwiGlu {
    /// `[D] → [I]`
    pub gate_proj: Linear,
    /// `[D] → [I]`
    pub up_proj: Linear,
    /// `[I] → [D]`
    pub down_proj: Linear,
}

impl SwiGlu {
    /// A layer with `inner` hidden units, not yet loaded.
    pub fn new(d: usize, inner: usize, bias: bool, device: &Device) -> Self {
        Self {
            gate_proj: Linear::new(d, inner, bias, device),
            up_proj: Linear::new(d, inner, bias, device),
            down_proj: Linear::new(inner, d, bias, device),
        }
    }

    /// # Shapes
    /// - input and output: `[..., D]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let gate = silu(self.gate_proj.forward(x.clone()));
        self.down_proj.forward(gate * self.up_proj.forward(x))
    }
}
