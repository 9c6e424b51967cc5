//! Writing a checkpoint that other tools load.

use super::{
    FileTensor, KeyMap,
    convert::not_finite,
    file::{INDEX, SINGLE, shard_name},
    named::{TensorVisitor, for_each_tensor, shapes},
};
use crate::error::VlmError;
use burn::{
    module::{Module, ParamId},
    tensor::{Tensor, bf16},
};
use rayon::prelude::*;
use safetensors::{Dtype, SafeTensorError, tensor::View};
use serde_json::json;
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fmt::Display,
    fs::{self, File},
    path::Path,
    sync::OnceLock,
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

impl ExportDtype {
    /// Bytes of a number.
    fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }
}

/// Parameters by path, each copied to the host only when it is written.
type Params = HashMap<String, Box<dyn Fn() -> Vec<f32>>>;

struct Collect(Params);

impl TensorVisitor for Collect {
    fn visit<const D: usize>(&mut self, path: &str, _: ParamId, tensor: Tensor<D>) {
        let read = move || {
            let data = tensor.to_data().convert::<f32>();
            data.try_into_vec().expect("numbers that were made f32")
        };
        self.0.insert(path.to_owned(), Box::new(read));
    }
}

/// A tensor of a file, put together when it is written.
struct Lazy<'a> {
    tensor: &'a FileTensor,
    params: &'a Params,
    dtype: ExportDtype,
}

impl Lazy<'_> {
    fn len(&self) -> usize {
        self.tensor.shape.iter().product()
    }
}

impl View for Lazy<'_> {
    fn dtype(&self) -> Dtype {
        match self.dtype {
            ExportDtype::F32 => Dtype::F32,
            ExportDtype::Bf16 => Dtype::BF16,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.tensor.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut read: HashMap<&str, Vec<f32>> = HashMap::new();
        let mut bytes = Vec::with_capacity(self.data_len());
        let file_rows: usize = self.tensor.pieces.iter().map(|p| p.rows.len()).sum();
        let width = self.len().checked_div(file_rows).unwrap_or(0);
        for piece in &self.tensor.pieces {
            let values = read
                .entry(&piece.path)
                .or_insert_with(|| self.params[&piece.path]());
            let values = &values[piece.rows.start * width..piece.rows.end * width];
            let (start, size) = (bytes.len(), self.dtype.size());
            bytes.resize(start + values.len() * size, 0);
            let slots = bytes[start..].par_chunks_exact_mut(size).zip(values);
            match self.dtype {
                ExportDtype::F32 => {
                    slots.for_each(|(slot, v)| slot.copy_from_slice(&v.to_le_bytes()));
                }
                ExportDtype::Bf16 => slots.for_each(|(slot, v)| {
                    slot.copy_from_slice(&bf16::from_f32(*v).to_le_bytes());
                }),
            }
        }
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        self.len() * self.dtype.size()
    }
}

/// Writes `model.safetensors`, or shards of at most `max_shard_bytes` with their index, into `dir`,
/// which is to hold no other weights: [`Vlm::save`](crate::Vlm::save) sees to that.
///
/// One tensor at a time is copied on its way.
///
/// # Errors
/// Anything the file system refuses; numbers that are not finite, whose file is then removed.
pub fn save<M: Module>(
    module: &M,
    keys: &KeyMap,
    dtype: ExportDtype,
    max_shard_bytes: usize,
    dir: &Path,
) -> Result<(), VlmError> {
    let mut collect = Collect(Params::new());
    for_each_tensor(module, &mut collect);
    let tensors = keys.file_tensors(&shapes(module));
    let lazy = |tensor| Lazy {
        tensor,
        params: &collect.0,
        dtype,
    };

    let mut shards: Vec<Vec<Lazy<'_>>> = vec![vec![]];
    let (mut left, mut total) = (max_shard_bytes, 0);
    for tensor in tensors.iter().map(lazy) {
        let size = tensor.data_len();
        total += size;
        if size > left && shards.last().is_some_and(|shard| !shard.is_empty()) {
            shards.push(vec![]);
            left = max_shard_bytes;
        }
        left = left.saturating_sub(size);
        if let Some(shard) = shards.last_mut() {
            shard.push(tensor);
        }
    }
    if shards.len() == 1 {
        let shard = shards.pop().unwrap_or_default();
        return write_shard(&dir.join(SINGLE), shard);
    }
    let mut weight_map = BTreeMap::new();
    let count = shards.len();
    for (i, shard) in shards.into_iter().enumerate() {
        let file = shard_name(i + 1, count);
        weight_map.extend(shard.iter().map(|t| (t.tensor.name.clone(), file.clone())));
        write_shard(&dir.join(&file), shard)?;
    }
    let index = json!({ "metadata": { "total_size": total }, "weight_map": weight_map });
    let path = dir.join(INDEX);
    fs::write(&path, format!("{index:#}\n")).map_err(|e| VlmError::io(&path, e))
}

fn write_shard(path: &Path, tensors: Vec<Lazy<'_>>) -> Result<(), VlmError> {
    let named = tensors.into_iter().map(|t| (t.tensor.name.as_str(), t));
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    write_safetensors(path, named, metadata)
}

/// A tensor that is made f32 and bytes only while it is written.
pub struct F32View<'a> {
    shape: Vec<usize>,
    bytes: Box<dyn Fn() -> Vec<u8> + Sync + 'a>,
}

impl<'a> F32View<'a> {
    /// Of a tensor of any precision.
    pub fn of<const D: usize>(tensor: &'a Tensor<D>) -> Self {
        let bytes = || {
            let data = tensor.to_data();
            data.iter::<f32>().flat_map(f32::to_le_bytes).collect()
        };
        Self {
            shape: tensor.dims().to_vec(),
            bytes: Box::new(bytes),
        }
    }
}

impl View for F32View<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        (self.bytes)().into()
    }

    fn data_len(&self) -> usize {
        4 * self.shape.iter().product::<usize>()
    }
}

/// Writes tensors into one f32 file, with metadata under one key.
///
/// # Errors
/// Anything the file system refuses; numbers that are not finite, whose file is then removed.
pub fn write_f32<'a, S: AsRef<str> + Ord + Display>(
    path: &Path,
    tensors: impl IntoIterator<Item = (S, F32View<'a>)>,
    metadata: (&str, String),
) -> Result<(), VlmError> {
    let metadata = HashMap::from([(metadata.0.to_owned(), metadata.1)]);
    write_safetensors(path, tensors, metadata)
}

/// A tensor on its way into a file, which is looked at as it passes.
struct Watched<'a, V> {
    view: V,
    name: String,
    /// The first tensor that has numbers that are not finite.
    broken: &'a OnceLock<String>,
}

impl<V: View> View for Watched<'_, V> {
    fn dtype(&self) -> Dtype {
        self.view.dtype()
    }

    fn shape(&self) -> &[usize] {
        self.view.shape()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let bytes = self.view.data();
        if not_finite(self.dtype(), &bytes).is_some() {
            self.broken.get_or_init(|| self.name.clone());
        }
        bytes
    }

    fn data_len(&self) -> usize {
        self.view.data_len()
    }
}

/// Writes a file, of which nothing is left where a number is not finite.
fn write_safetensors<S: AsRef<str> + Ord + Display, V: View>(
    path: &Path,
    named: impl IntoIterator<Item = (S, V)>,
    metadata: HashMap<String, String>,
) -> Result<(), VlmError> {
    let io = |e| VlmError::io(path, e);
    let broken = OnceLock::new();
    let watched = named.into_iter().map(|(name, view)| {
        let watched = Watched {
            view,
            name: name.to_string(),
            broken: &broken,
        };
        (name, watched)
    });
    // The file is written beside and renamed, which would leave it to its owner alone.
    let permissions = File::create(path)
        .and_then(|file| file.metadata())
        .map_err(io)?
        .permissions();
    safetensors::serialize_to_file(watched, Some(metadata), path).map_err(|e| match e {
        SafeTensorError::IoError(e) => io(e),
        other => VlmError::weights(path, other.to_string()),
    })?;
    if let Some(name) = broken.get() {
        fs::remove_file(path).map_err(io)?;
        let message = format!("{name} has numbers that are not finite, which are never saved");
        return Err(VlmError::weights(path, message));
    }
    fs::set_permissions(path, permissions).map_err(io)
}
