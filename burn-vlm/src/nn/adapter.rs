//! The two thin matrices beside a frozen one.

use super::Dropout;
use crate::rng::{mix, uniform};
use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, TensorData, module::linear},
};

/// `s · B A dropout(x)`, in the precision of x.
#[derive(Module, Debug)]
pub struct Adapter {
    /// A, `[r, in]`
    pub a: Param<Tensor<2>>,
    /// B, `[out, r]`
    pub b: Param<Tensor<2>>,
    scale: f64,
    /// None where nothing is left out.
    #[module(skip)]
    dropout: Option<Dropout>,
}

impl Adapter {
    /// A fresh adapter, which changes nothing yet: A as PEFT draws it (Kaiming's uniform with
    /// a = √5, which is `U(−1/√in, 1/√in)`), B zero. `key` decides the draw.
    pub fn new(
        d_in: usize,
        d_out: usize,
        rank: usize,
        scale: f64,
        key: u64,
        device: &Device,
    ) -> Self {
        let bound = 1.0 / (d_in as f64).sqrt();
        let draw = |i: usize| ((2.0 * uniform(mix(key, i as u64)) - 1.0) * bound) as f32;
        let a: Vec<f32> = (0..rank * d_in).map(draw).collect();
        Self::from_tensors(
            Tensor::from_data(TensorData::new(a, [rank, d_in]), device),
            Tensor::zeros([d_out, rank], device),
            scale,
        )
    }

    /// An adapter of A `[r, in]` and B `[out, r]`.
    pub fn from_tensors(a: Tensor<2>, b: Tensor<2>, scale: f64) -> Self {
        Self {
            a: Param::from_tensor(a),
            b: Param::from_tensor(b),
            scale,
            dropout: None,
        }
    }

    /// # Shapes
    /// - input: `[N, in]`
    /// - output: `[N, out]`
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let dtype = x.dtype();
        let (a, b) = (self.a.val().cast(dtype), self.b.val().cast(dtype));
        let x = match &self.dropout {
            Some(dropout) => dropout.apply(x),
            None => x,
        };
        let low = linear(x, a.transpose(), None);
        linear(low, b.transpose(), None).mul_scalar(self.scale)
    }

    /// What the adapter adds to the weight, `[out, in]`.
    pub fn delta(&self) -> Tensor<2> {
        self.b.val().matmul(self.a.val()).mul_scalar(self.scale)
    }

    /// s
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The same with another dropout.
    pub(crate) fn set_dropout(&mut self, dropout: Option<Dropout>) {
        self.dropout = dropout;
    }
}
