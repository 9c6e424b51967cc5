//! Strict loading: every parameter is found, and every tensor is used.

use super::{
    KeyMap, WeightFiles,
    convert::{Number, convert},
    init::fresh,
    named::{TensorMapper, map_tensors, shapes},
};
use crate::{error::VlmError, precision::Compute};
use burn::{
    module::{Module, Param},
    tensor::{Device, Shape, Tensor, TensorData, bf16, f16},
};
use safetensors::Dtype;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    ops::Range,
};

/// How a checkpoint and a module fit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadReport {
    /// Parameters without a tensor, by the hub's name.
    pub missing: Vec<String>,
    /// Tensors without a parameter, as the file names them.
    pub unused: Vec<String>,
    /// Tensors of another shape: name, found, expected.
    pub misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// Pairs of tensors that are one parameter under names of two generations, with other numbers.
    pub twice: Vec<(String, String)>,
}

impl LoadReport {
    /// Compares names and shapes; reads no values.
    pub fn compare<M: Module>(module: &M, files: &WeightFiles, keys: &KeyMap) -> Self {
        let (mut unclaimed, twice) = file_names(files, keys);
        let mut report = Self {
            twice,
            ..Self::default()
        };
        for tensor in keys.file_tensors(&shapes(module)) {
            match unclaimed.remove(&tensor.name) {
                None => report.missing.push(tensor.name),
                Some(name) => {
                    let found = files.shape(&name).unwrap_or_default();
                    if found != tensor.shape {
                        report.misshapen.push((name, found.to_vec(), tensor.shape));
                    }
                }
            }
        }
        report.unused = unclaimed.into_values().collect();
        report.unused.retain(|name| !keys.is_ignored(name));
        report
    }

    /// The same without the tensors that `allow` names: each entry is a tensor's name, or the
    /// beginning of names up to a dot.
    pub fn without(mut self, allow: &[String]) -> Self {
        let named = |name: &String| allow.iter().any(|entry| begins(name, entry));
        self.missing.retain(|name| !named(name));
        self.unused.retain(|name| !named(name));
        self.misshapen.retain(|(name, ..)| !named(name));
        self.twice.retain(|(a, b)| !named(a) && !named(b));
        self
    }

    /// Whether everything fits.
    pub fn is_exact(&self) -> bool {
        self == &Self::default()
    }

    /// What does not fit, every tensor of it, in one message.
    pub fn message(&self) -> String {
        let quantised = self.unused.iter().find(|name| is_quantised(name));
        if let Some(name) = quantised {
            return format!(
                "the weights are quantised ({name}), expected those of the model before it was: \
                 bf16, f16 or f32"
            );
        }
        let mut text = String::from("the weights do not fit the configuration:");
        let mut list = |what: &str, names: &[String]| {
            if !names.is_empty() {
                // Writing to a string cannot fail.
                let _ = write!(text, " {} {what} ({});", names.len(), names.join(", "));
            }
        };
        list("missing", &self.missing);
        list("unused", &self.unused);
        let misshapen = self.misshapen.iter();
        let misshapen: Vec<String> = misshapen
            .map(|(name, found, expected)| format!("{name} is {found:?}, expected {expected:?}"))
            .collect();
        list("misshapen", &misshapen);
        let twice = self.twice.iter();
        let twice: Vec<String> = twice.map(|(a, b)| format!("{a} and {b}")).collect();
        list("there twice, with other numbers", &twice);
        text.trim_end_matches(';').to_owned()
    }
}

/// Whether a tensor is one by which quantised weights become numbers again: of GPTQ, AWQ, FP8,
/// bitsandbytes, compressed-tensors and quanto.
fn is_quantised(name: &str) -> bool {
    const ENDS: [&str; 14] = [
        ".qweight",
        ".qzeros",
        ".scales",
        ".g_idx",
        ".weight_scale",
        ".weight_scale_inv",
        ".weight_packed",
        ".weight_zero_point",
        ".weight_blocks",
        ".SCB",
        ".absmax",
        ".quant_map",
        ".weight._data",
        ".weight._scale",
    ];
    ENDS.iter().any(|end| name.ends_with(end)) || name.contains(".quant_state.")
}

/// What may go wrong while loading without being an error.
#[derive(Debug, Clone, Default)]
pub struct Allow {
    /// Tensors that may be missing, unused or misshapen, by name in the file or by the beginning of
    /// names up to a dot. A parameter that is not read is drawn afresh.
    pub names: Vec<String>,
    /// Standard deviation of what is drawn.
    pub std: f64,
}

/// Loads every parameter on `device`: as f32, or for computing in a lower precision as the files
/// have it.
///
/// Tensors are read one at a time from the mapped files, whose memory is let go of behind them.
///
/// # Errors
/// A missing, unused or misshapen tensor that is not allowed: the message lists them. Numbers that
/// are not finite.
pub fn load<M: Module>(
    module: M,
    files: &WeightFiles,
    keys: &KeyMap,
    allow: &Allow,
    compute: Compute,
    device: &Device,
) -> Result<M, VlmError> {
    let report = LoadReport::compare(&module, files, keys);
    let refused = report.clone().without(&allow.names);
    if !refused.is_exact() {
        return Err(VlmError::weights(files.dir(), refused.message()));
    }
    let (names, _) = file_names(files, keys);
    let misshapen: Vec<&String> = report.misshapen.iter().map(|(name, ..)| name).collect();
    let mut sources: BTreeMap<String, Vec<Source>> = BTreeMap::new();
    let mut fresh = BTreeSet::new();
    for tensor in keys.file_tensors(&shapes(&module)) {
        let name = names.get(&tensor.name);
        let name = name.filter(|name| !misshapen.contains(name));
        for piece in tensor.pieces {
            let Some(name) = name else {
                fresh.insert(piece.path);
                continue;
            };
            let end = piece.file_row + piece.rows.len();
            sources.entry(piece.path).or_default().push(Source {
                name: name.clone(),
                first: piece.rows.start,
                rows: piece.file_row..end,
            });
        }
    }
    sources.retain(|path, _| !fresh.contains(path));
    sources
        .values_mut()
        .for_each(|pieces| pieces.sort_by_key(|piece| piece.first));
    let mut reader = Reader {
        files,
        sources,
        allow,
        as_stored: compute != Compute::F32,
        device,
        error: None,
    };
    let module = map_tensors(module, &mut reader);
    match reader.error {
        Some(error) => Err(error),
        None => Ok(module),
    }
}

/// The tensors of the files by the hub's names; and those that have the name of another generation
/// beside one with other numbers.
fn file_names(
    files: &WeightFiles,
    keys: &KeyMap,
) -> (BTreeMap<String, String>, Vec<(String, String)>) {
    let (mut names, mut twice) = (BTreeMap::new(), vec![]);
    for (name, ..) in files.tensors() {
        let Some(other) = names.insert(keys.hub_name(name), name.to_owned()) else {
            continue;
        };
        let what = |name: &str| (files.dtype(name), files.shape(name), files.bytes(name));
        if what(&other) != what(name) {
            twice.push((other.clone(), name.to_owned()));
        }
        files.release(&other);
        files.release(name);
    }
    (names, twice)
}

/// Whether `entry` is `name` or its beginning up to a dot.
fn begins(name: &str, entry: &str) -> bool {
    let rest = name.strip_prefix(entry.trim_end_matches('.'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Rows of a file's tensor that become rows of a parameter.
struct Source {
    name: String,
    /// The first of the parameter's rows.
    first: usize,
    rows: Range<usize>,
}

struct Reader<'a> {
    files: &'a WeightFiles,
    /// By our parameter, in the order of its rows.
    sources: BTreeMap<String, Vec<Source>>,
    allow: &'a Allow,
    /// Whether parameters have the precision of their files.
    as_stored: bool,
    device: &'a Device,
    error: Option<VlmError>,
}

impl Reader<'_> {
    /// The values of a parameter, in the precision it is to have.
    fn read(&self, sources: &[Source], shape: Shape) -> Result<TensorData, VlmError> {
        let stored = |source: &Source| self.files.dtype(&source.name);
        let first = sources.first().and_then(stored).filter(|_| self.as_stored);
        let alike = sources.iter().all(|source| stored(source) == first);
        Ok(match first.filter(|_| alike) {
            Some(Dtype::BF16) => TensorData::new(self.halves::<bf16>(sources, &shape)?, shape),
            Some(Dtype::F16) => TensorData::new(self.halves::<f16>(sources, &shape)?, shape),
            _ => {
                let read = |source: &Source, values: &mut [f32]| {
                    let rows = source.rows.clone();
                    self.files.read_rows(&source.name, rows, values)
                };
                TensorData::new(filled(sources, &shape, read)?, shape)
            }
        })
    }

    /// Values of two bytes each, as they are stored.
    fn halves<T: Number>(&self, sources: &[Source], shape: &Shape) -> Result<Vec<T>, VlmError> {
        filled(sources, shape, |source, values| {
            let rows = source.rows.clone();
            self.files.with_rows(&source.name, rows, |_, bytes| {
                Some(convert::<T, T>(bytes, values, |v| v))
            })
        })
    }
}

/// A parameter, each of whose sources is read into its rows.
fn filled<T: Number>(
    sources: &[Source],
    shape: &Shape,
    read: impl Fn(&Source, &mut [T]) -> Result<(), VlmError>,
) -> Result<Vec<T>, VlmError> {
    let mut values = vec![T::default(); shape.num_elements()];
    let rows = shape.first().copied().unwrap_or(1);
    let width = values.len().checked_div(rows).unwrap_or(0);
    let mut rest = values.as_mut_slice();
    for source in sources {
        let values;
        (values, rest) = rest.split_at_mut(source.rows.len() * width);
        read(source, values)?;
    }
    Ok(values)
}

impl TensorMapper for Reader<'_> {
    fn map<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) -> Option<Tensor<D>> {
        let Some(sources) = self.sources.get(path) else {
            return fresh(path, param, self.allow.std, 0, self.device);
        };
        match self.read(sources, param.lazy_shape()) {
            Ok(data) => {
                let dtype = data.dtype();
                Some(Tensor::from_data(data, (self.device, dtype)))
            }
            Err(error) => {
                self.error.get_or_insert(error);
                None
            }
        }
    }
}
