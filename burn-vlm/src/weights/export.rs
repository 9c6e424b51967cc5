//! Writing a checkpoint that other tools load.

use super::{
    KeyMap,
    named::{TensorVisitor, for_each_tensor},
};
use crate::error::VlmError;
use burn::{
    module::{Module, ParamId},
    tensor::{Tensor, bf16},
};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::json;
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

/// Precision of exported weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExportDtype {
    /// Exactly as trained.
    #[default]
    F32,
    /// Rounded to nearest, half the size.
    Bf16,
}

struct Collect<'a> {
    keys: &'a KeyMap,
    dtype: ExportDtype,
    tensors: Vec<(String, Vec<usize>, Vec<u8>)>,
}

impl TensorVisitor for Collect<'_> {
    fn visit<const D: usize>(&mut self, path: &str, _: ParamId, tensor: Tensor<D>) {
        let shape = self.keys.file_shape(path, &tensor.dims());
        let data = tensor.into_data();
        let values = data.iter::<f32>();
        let bytes = match self.dtype {
            ExportDtype::F32 => values.flat_map(f32::to_le_bytes).collect(),
            ExportDtype::Bf16 => values
                .flat_map(|v| bf16::from_f32(v).to_le_bytes())
                .collect(),
        };
        self.tensors.push((self.keys.to_hub(path), shape, bytes));
    }
}

/// Writes `model.safetensors`, or shards of at most `max_shard_bytes` with their index, into `dir`.
///
/// # Errors
/// Anything the file system refuses.
pub fn save<M: Module>(
    module: &M,
    keys: &KeyMap,
    dtype: ExportDtype,
    max_shard_bytes: usize,
    dir: &Path,
) -> Result<(), VlmError> {
    let mut collect = Collect {
        keys,
        dtype,
        tensors: vec![],
    };
    for_each_tensor(module, &mut collect);
    let total: usize = collect
        .tensors
        .iter()
        .map(|(_, _, bytes)| bytes.len())
        .sum();

    let mut shards: Vec<Vec<_>> = vec![vec![]];
    let mut room = max_shard_bytes;
    for tensor in collect.tensors {
        let size = tensor.2.len();
        if size > room && shards.last().is_some_and(|shard| !shard.is_empty()) {
            shards.push(vec![]);
            room = max_shard_bytes;
        }
        room = room.saturating_sub(size);
        if let Some(shard) = shards.last_mut() {
            shard.push(tensor);
        }
    }
    if let [shard] = shards.as_slice() {
        return write_shard(&dir.join("model.safetensors"), shard, dtype);
    }
    let mut weight_map = BTreeMap::new();
    let count = shards.len();
    for (i, shard) in shards.iter().enumerate() {
        let file = format!("model-{:05}-of-{count:05}.safetensors", i + 1);
        write_shard(&dir.join(&file), shard, dtype)?;
        weight_map.extend(shard.iter().map(|(name, ..)| (name.clone(), file.clone())));
    }
    let index = json!({ "metadata": { "total_size": total }, "weight_map": weight_map });
    let path = dir.join("model.safetensors.index.json");
    std::fs::write(&path, format!("{index:#}\n")).map_err(|e| VlmError::io(&path, e))
}

fn write_shard(
    path: &Path,
    tensors: &[(String, Vec<usize>, Vec<u8>)],
    dtype: ExportDtype,
) -> Result<(), VlmError> {
    let dtype = match dtype {
        ExportDtype::F32 => Dtype::F32,
        ExportDtype::Bf16 => Dtype::BF16,
    };
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| Ok((name, TensorView::new(dtype, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|e| VlmError::weights(path, e.to_string()))?;
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(views, Some(metadata), path).map_err(|e| match e {
        safetensors::SafeTensorError::IoError(e) => VlmError::io(path, e),
        other => VlmError::weights(path, other.to_string()),
    })
}
