//! In which precision a model computes, and in which its weights are kept.
//!
//! Activations are in the compute precision, and so are the operands of every matrix product: a
//! weight of another one is cast when it is used. What is trained is kept in f32, its masters; what
//! is frozen stays as its file has it. Norms, softmax, log-sum-exp, rotations and everything after
//! the logits are f32 always.

use crate::{
    Vlm,
    device::is_gpu,
    freeze::is_trained,
    nn::Linear,
    weights::{TensorMapper, map_tensors},
};
use burn::{
    module::Param,
    tensor::{DType, Device, Tensor},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How the compute precision is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// bf16 on GPUs, f32 on CPUs.
    #[default]
    Auto,
    /// f32; on NVIDIA GPUs matrix products may round their operands to TF32.
    F32,
    /// bf16.
    Bf16,
}

/// What activations and the operands of matrix products are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compute {
    /// f32, with every weight loaded as f32.
    #[default]
    F32,
    /// bf16, with weights loaded as the files have them.
    Bf16,
}

impl Precision {
    /// The precision that this means on `device`.
    pub fn on(self, device: &Device) -> Compute {
        match self {
            Self::F32 => Compute::F32,
            Self::Bf16 => Compute::Bf16,
            Self::Auto if is_gpu(device) => Compute::Bf16,
            Self::Auto => Compute::F32,
        }
    }
}

impl Compute {
    /// The type of its tensors.
    pub fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
        }
    }
}

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
        *table = rounded(table, dtype);
        model
    }
}

/// A parameter in another precision.
pub(crate) fn rounded<const D: usize>(param: &Param<Tensor<D>>, dtype: DType) -> Param<Tensor<D>> {
    let value = param.val();
    match value.dtype() == dtype {
        true => param.clone(),
        false => {
            Param::initialized(param.id, value.cast(dtype)).set_require_grad(is_trained(param))
        }
    }
}
