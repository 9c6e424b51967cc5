//! In which precision a model computes, and in which its weights are kept.
//!
//! Activations are in the compute precision, and so are the operands of every matrix product: a
//! weight of another one is cast when it is used. What is trained is kept in f32, its masters; what
//! is frozen stays as its file has it. Norms, softmax, log-sum-exp, rotations and everything after
//! the logits are f32 always.

use crate::device::is_gpu;
use burn::tensor::{DType, Device};
use serde::{Deserialize, Serialize};

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
