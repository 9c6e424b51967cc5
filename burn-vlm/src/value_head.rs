//! The critic's head: what a state is worth, from the hidden state that also predicts a token.

use crate::{
    error::VlmError,
    nn::Linear,
    rng::hash_text,
    weights::{F32View, WeightFiles, normal, write_f32},
};
use burn::{
    module::{Module, Param},
    tensor::{DType, Device, Tensor, TensorData},
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The file beside a model's weights that holds its value head.
pub const VALUE_HEAD_FILE: &str = "value_head.safetensors";

/// How a weight is called: by transformers' classifiers and OpenRLHF, by OpenRLHF under its other
/// prefix, by TRL, and by what else has been seen.
const WEIGHTS: [&str; 4] = [
    "score.weight",
    "value_head.weight",
    "v_head.summary.weight",
    "v_head.weight",
];

/// How a fresh head is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ValueInit {
    /// Every state is worth nothing at first.
    #[default]
    Zero,
    /// Normal with standard deviation 1 / (D + 1), as OpenRLHF's critic and TRL's value models do;
    /// a bias is zero.
    Normal,
}

/// `value = hidden · weightᵀ + bias`, in f32.
#[derive(Module, Debug)]
pub struct ValueHead {
    /// `[D] → [1]`
    pub score: Linear,
}

/// Gradients of a value head and of what it read.
pub(crate) struct ValueGrads {
    /// `[N, D]`
    pub hidden: Tensor<2>,
    /// `[1, D]`
    pub weight: Tensor<2>,
    /// `[1]`
    pub bias: Tensor<1>,
}

impl ValueHead {
    /// A fresh head over hidden states of width `d`.
    pub fn new(d: usize, bias: bool, init: ValueInit, seed: u64, device: &Device) -> Self {
        let std = match init {
            ValueInit::Zero => 0.0,
            ValueInit::Normal => 1.0 / (d as f64 + 1.0),
        };
        let drawn = normal(seed ^ hash_text(WEIGHTS[0]), d).map(|z| (z * std) as f32);
        let drawn: Vec<f32> = drawn.collect();
        let weight = Tensor::from_data(TensorData::new(drawn, [1, d]), device);
        let bias = bias.then(|| Tensor::zeros([1], device));
        Self::from_tensors(weight, bias)
    }

    fn from_tensors(weight: Tensor<2>, bias: Option<Tensor<1>>) -> Self {
        Self {
            score: Linear {
                weight: Param::from_tensor(weight),
                bias: bias.map(Param::from_tensor),
                lora: None,
            },
        }
    }

    /// # Shapes
    /// - hidden: `[N, D]`
    /// - output: `[N]`
    pub fn forward(&self, hidden: Tensor<2>) -> Tensor<1> {
        let n = hidden.dims()[0];
        self.score.forward(hidden.cast(DType::F32)).reshape([n])
    }

    /// # Shapes
    /// - hidden: `[N, D]`; d_values: `[N]`
    pub(crate) fn backward(&self, hidden: &Tensor<2>, d_values: Tensor<1>) -> ValueGrads {
        let column = d_values.clone().reshape([hidden.dims()[0], 1]);
        let row = column.clone().transpose();
        ValueGrads {
            hidden: column.matmul(self.score.weight.val()).cast(hidden.dtype()),
            weight: row.matmul(hidden.clone().cast(DType::F32)),
            bias: d_values.sum(),
        }
    }

    /// Reads the head of a model directory: from [`VALUE_HEAD_FILE`], else from among its weights,
    /// by any name in use for it. None where it has none.
    ///
    /// # Errors
    /// A file that is not whole, or a head that is not one number over `d` values.
    pub fn from_dir(dir: &Path, d: usize, device: &Device) -> Result<Option<Self>, VlmError> {
        let own = dir.join(VALUE_HEAD_FILE);
        let files = match own.exists() {
            true => WeightFiles::open_file(&own)?,
            false => WeightFiles::open(dir)?,
        };
        let Some(name) = WEIGHTS.into_iter().find(|name| files.shape(name).is_some()) else {
            return match own.exists() {
                true => Err(VlmError::weights(
                    own,
                    format!(
                        "no value head here, expected one of: {}",
                        WEIGHTS.join(", ")
                    ),
                )),
                false => Ok(None),
            };
        };
        let read = |name: &str, expected: &[usize]| -> Result<Vec<f32>, VlmError> {
            let found = files.shape(name).unwrap_or_default();
            match found == expected {
                true => files.read_f32(name),
                false => Err(VlmError::weights(
                    files.dir(),
                    format!("{name} is {found:?}, expected {expected:?}: one value a state"),
                )),
            }
        };
        let weight = Tensor::from_data(TensorData::new(read(name, &[1, d])?, [1, d]), device);
        let bias = name.replace(".weight", ".bias");
        let bias = match files.shape(&bias) {
            Some(_) => Some(Tensor::from_data(
                TensorData::new(read(&bias, &[1])?, [1]),
                device,
            )),
            None => None,
        };
        Ok(Some(Self::from_tensors(weight, bias)))
    }

    /// Writes [`VALUE_HEAD_FILE`] in f32, under the name that transformers' classifiers use.
    ///
    /// # Errors
    /// Anything the file system refuses.
    pub fn save(&self, dir: &Path) -> Result<(), VlmError> {
        let path = dir.join(VALUE_HEAD_FILE);
        let weight = self.score.weight.val();
        let bias = self.score.bias.as_ref().map(|bias| bias.val());
        let bias = bias.iter().map(|bias| ("score.bias", F32View::of(bias)));
        let tensors = [(WEIGHTS[0], F32View::of(&weight))].into_iter().chain(bias);
        write_f32(&path, tensors, ("format", "pt".into()))
    }

    /// Names of a head's tensors that a checkpoint's weights may hold.
    pub(crate) fn file_names() -> impl Iterator<Item = String> {
        let biases = WEIGHTS.iter().map(|name| name.replace(".weight", ".bias"));
        WEIGHTS.iter().map(|name| (*name).to_owned()).chain(biases)
    }
}
