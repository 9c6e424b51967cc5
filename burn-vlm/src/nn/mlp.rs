//! Feed-forward layers.

use super::{Linear, Linears, linears};
use burn::{
    module::Module,
    tensor::{
        Device, Tensor,
        activation::{gelu, sigmoid, silu},
    },
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

/// `fc2(act(fc1(x)))`
#[derive(Module, Debug)]
pub struct Mlp {
    /// `[D] → [I]`
    pub fc1: Linear,
    /// `[I] → [D]`
    pub fc2: Linear,
    #[module(skip)]
    act: Activation,
}

/// Activation of an [`Mlp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x · Φ(x)`
    Gelu,
    /// `x / 2 · (1 + tanh(√(2 / π) · (x + 0.044715 x³)))`
    /// ([arXiv:1606.08415](https://arxiv.org/abs/1606.08415))
    GeluTanh,
    /// `x · σ(1.702 x)` ([arXiv:1606.08415](https://arxiv.org/abs/1606.08415))
    QuickGelu,
}

/// Which feed-forward layer a block has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedForwardKind {
    /// [`SwiGlu`], with biases.
    SwiGlu,
    /// [`Mlp`]
    Mlp(Activation),
}

/// Either feed-forward layer.
#[derive(Module, Debug)]
// A few a model, and never moved about: an indirection would save nothing.
#[allow(clippy::large_enum_variant)]
pub enum FeedForward {
    /// Gated.
    SwiGlu(SwiGlu),
    /// Plain.
    Mlp(Mlp),
}

linears!(SwiGlu {
    gate_proj,
    up_proj,
    down_proj
});
linears!(Mlp { fc1, fc2 });

impl Linears for FeedForward {
    fn each_linear(&mut self, path: &str, visit: &mut dyn FnMut(&str, &mut Linear)) {
        match self {
            Self::SwiGlu(layer) => layer.each_linear(path, visit),
            Self::Mlp(layer) => layer.each_linear(path, visit),
        }
    }
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

impl Mlp {
    /// A layer from `d` over `inner` to `out` values, with biases, not yet loaded.
    pub fn new([d, inner, out]: [usize; 3], act: Activation, device: &Device) -> Self {
        Self {
            fc1: Linear::new(d, inner, true, device),
            fc2: Linear::new(inner, out, true, device),
            act,
        }
    }

    /// # Shapes
    /// - input: `[..., d]`
    /// - output: `[..., out]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.fc2.forward(self.act.apply(self.fc1.forward(x)))
    }
}

impl Activation {
    /// What `hidden_act` calls them.
    pub const NAMES: [&str; 3] = ["gelu", "gelu_pytorch_tanh", "quick_gelu"];

    /// The activation that `hidden_act` names, if it is one of these.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "gelu" => Some(Self::Gelu),
            "gelu_pytorch_tanh" => Some(Self::GeluTanh),
            "quick_gelu" => Some(Self::QuickGelu),
            _ => None,
        }
    }

    /// # Shapes
    /// - input and output: any
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Gelu => gelu(x),
            // (1 + tanh u) / 2 = σ(2 u)
            Self::GeluTanh => {
                let cubic = x.clone().square().mul_scalar(0.044_715).add_scalar(1.0);
                let u = x.clone() * cubic;
                x * sigmoid(u.mul_scalar((8.0 / std::f64::consts::PI).sqrt()))
            }
            Self::QuickGelu => x.clone() * sigmoid(x.mul_scalar(1.702)),
        }
    }
}

impl FeedForward {
    /// A layer with `inner` hidden units, not yet loaded.
    pub fn new(kind: FeedForwardKind, d: usize, inner: usize, device: &Device) -> Self {
        match kind {
            FeedForwardKind::SwiGlu => Self::SwiGlu(SwiGlu::new(d, inner, true, device)),
            FeedForwardKind::Mlp(act) => Self::Mlp(Mlp::new([d, inner, d], act, device)),
        }
    }

    /// # Shapes
    /// - input and output: `[..., D]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::SwiGlu(layer) => layer.forward(x),
            Self::Mlp(layer) => layer.forward(x),
        }
    }
}
