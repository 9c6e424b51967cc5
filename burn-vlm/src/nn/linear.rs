//! A linear layer whose weight keeps the Hugging Face layout.

use super::{
    Adapter,
    tensors::{lazy_param, rounded},
};
use burn::{
    module::{Module, Param},
    tensor::{DType, Device, Tensor, module::linear},
};

/// `y = x · weightᵀ + bias`, plus what an adapter adds to it.
///
/// The weight stays `[out, in]` as in the checkpoint: no transpose while loading, and the fast
/// layout for decoding one token at a time.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[out, in]`
    pub weight: Param<Tensor<2>>,
    /// `[out]`
    pub bias: Option<Param<Tensor<1>>>,
    /// The low-rank adapter, where there is one.
    pub lora: Option<Adapter>,
}

impl Linear {
    /// A layer of the given size, not yet loaded.
    pub fn new(d_in: usize, d_out: usize, bias: bool, device: &Device) -> Self {
        Self {
            weight: lazy_param([d_out, d_in], 0.0, device),
            bias: bias.then(|| lazy_param([d_out], 0.0, device)),
            lora: None,
        }
    }

    /// Applies the layer to the last dimension, in the precision of `x`.
    ///
    /// # Shapes
    /// - input: `[..., in]`
    /// - output: `[..., out]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let dtype = x.dtype();
        let bias = self.bias.as_ref().map(|bias| bias.val().cast(dtype));
        let weight = self.weight.val().cast(dtype).transpose();
        let mut shape = x.dims();
        let d_in = shape[D - 1];
        shape[D - 1] = weight.dims()[1];
        // As one matrix: the gradient of a weight would be made for every row of a batch otherwise.
        let n = x.shape().num_elements() / d_in;
        let rows = x.reshape([n, d_in]);
        let y = match &self.lora {
            Some(adapter) => linear(rows.clone(), weight, bias) + adapter.forward(rows),
            None => linear(rows, weight, bias),
        };
        y.reshape(shape)
    }
}

impl Linear {
    /// Rounds weight, bias and adapter to `dtype`.
    pub(crate) fn round(&mut self, dtype: DType) {
        self.weight = rounded(&self.weight, dtype);
        self.bias = self.bias.as_ref().map(|bias| rounded(bias, dtype));
        if let Some(adapter) = &mut self.lora {
            adapter.a = rounded(&adapter.a, dtype);
            adapter.b = rounded(&adapter.b, dtype);
        }
    }
}

/// A part of a model whose linear layers can be named and changed: where adapters are attached.
pub trait Linears {
    /// Calls `visit` with every linear layer below, by its path, of which `path` is the beginning.
    fn each_linear(&mut self, path: &str, visit: &mut dyn FnMut(&str, &mut Linear));
}

impl Linears for Linear {
    fn each_linear(&mut self, path: &str, visit: &mut dyn FnMut(&str, &mut Linear)) {
        visit(path, self);
    }
}

impl<T: Linears> Linears for Option<T> {
    fn each_linear(&mut self, path: &str, visit: &mut dyn FnMut(&str, &mut Linear)) {
        if let Some(part) = self {
            part.each_linear(path, visit);
        }
    }
}

impl<T: Linears> Linears for Vec<T> {
    fn each_linear(&mut self, path: &str, visit: &mut dyn FnMut(&str, &mut Linear)) {
        for (i, part) in self.iter_mut().enumerate() {
            part.each_linear(&format!("{path}.{i}"), visit);
        }
    }
}

/// `linears!(Type { field, … })` implements [`Linears`](crate::nn::Linears) for a module: the named
/// fields hold linear layers, and their names are those of the paths.
#[macro_export]
macro_rules! linears {
    ($type:ty { $($field:ident),+ $(,)? }) => {
        impl $crate::nn::Linears for $type {
            fn each_linear(
                &mut self,
                path: &str,
                visit: &mut dyn FnMut(&str, &mut $crate::nn::Linear),
            ) {
                $(
                    let part = format!("{path}.{}", stringify!($field));
                    $crate::nn::Linears::each_linear(&mut self.$field, &part, visit);
                )+
            }
        }
    };
}
pub use linears;
