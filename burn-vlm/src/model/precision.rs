//! A model in another precision.

use super::Vlm;
use crate::{
    freeze::is_trained,
    nn::{self, Linear},
    precision::Compute,
    weights::{TensorMapper, map_tensors},
};
use burn::{
    module::Param,
    tensor::{DType, Tensor},
};
use std::sync::Arc;

impl Vlm {
    /// What the model computes in.
    pub fn compute(&self) -> Compute {
        self.config().compute
    }

    /// The same weights, computed with in another precision.
    pub fn computing_in(mut self, compute: Compute) -> Self {
        Arc::make_mut(&mut self.config).compute = compute;
        self.model.embed_tokens.compute = compute;
        self
    }

    /// The same with everything that is trained in f32: rounding a step to bf16 would lose most of
    /// them.
    pub fn with_masters(self) -> Self {
        struct Masters;
        impl TensorMapper for Masters {
            fn map<const D: usize>(
                &mut self,
                _: &str,
                param: &Param<Tensor<D>>,
            ) -> Option<Tensor<D>> {
                let value = is_trained(param).then(|| param.val())?;
                (value.dtype() != DType::F32).then(|| value.cast(DType::F32))
            }
        }
        map_tensors(self, &mut Masters)
    }

    /// The same function with masters rounded once and for all instead of in every forward pass:
    /// for sampling, and for a reference.
    pub fn for_inference(&self) -> Self {
        let dtype = self.compute().dtype();
        let mut model = self.clone();
        let mut round = |_: &str, layer: &mut Linear| layer.round(dtype);
        model.each_linear(&mut round);
        if let Some(head) = &mut model.lm_head {
            head.round(dtype);
        }
        let table = &mut model.model.embed_tokens.weight;
        *table = nn::rounded(table, dtype);
        model
    }
}
