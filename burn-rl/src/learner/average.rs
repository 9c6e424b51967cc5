//! Weights between two models of one shape.

use burn::{
    module::{Module, Param, ParamId},
    tensor::Tensor,
};
use burn_vlm::{
    freeze::is_trained,
    weights::{TensorMapper, TensorVisitor, for_each_tensor, map_tensors},
};
use std::collections::HashMap;

/// `keep · model + (1 − keep) · toward`, for every parameter that is trained: one step of an exponential moving
/// average with decay `keep`, or of a reference that follows the policy.
pub fn blend<M: Module>(model: M, toward: &M, keep: f64) -> M {
    if keep == 0.0 {
        // The very weights, not what is left of them after a multiplication.
        return toward.clone();
    }
    let mut other = Flat::default();
    for_each_tensor(toward, &mut other);
    map_tensors(model, &mut Blend { other, keep })
}

/// The parameters of a model by path, flattened.
#[derive(Default)]
struct Flat(HashMap<String, Tensor<1>>);

impl TensorVisitor for Flat {
    fn visit<const D: usize>(&mut self, path: &str, _: ParamId, tensor: Tensor<D>) {
        let n: usize = tensor.dims().iter().product();
        self.0.insert(path.to_owned(), tensor.reshape([n]));
    }
}

struct Blend {
    other: Flat,
    keep: f64,
}

impl TensorMapper for Blend {
    fn map<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) -> Option<Tensor<D>> {
        // What is frozen is the same in both, and stays so to the bit.
        let other = self.other.0.remove(path).filter(|_| is_trained(param))?;
        let own = param.val();
        let other = other.reshape(own.dims());
        Some(own.mul_scalar(self.keep) + other.mul_scalar(1.0 - self.keep))
    }
}
