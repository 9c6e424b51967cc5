//! Strict loading: every parameter is found, and every tensor is used.

use super::{
    KeyMap, WeightFiles,
    named::{TensorMapper, map_tensors, shapes},
};
use crate::error::VlmError;
use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, TensorData},
};
use std::{collections::BTreeMap, fmt::Write};

/// How a checkpoint and a module fit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadReport {
    /// Parameters without a tensor, by the hub's name.
    pub missing: Vec<String>,
    /// Tensors without a parameter, as the file names them.
    pub unused: Vec<String>,
    /// Tensors of another shape: name, found, expected.
    pub misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl LoadReport {
    /// Compares names and shapes; reads no values.
    pub fn compare<M: Module>(module: &M, files: &WeightFiles, keys: &KeyMap) -> Self {
        let mut unclaimed: BTreeMap<String, &str> = files
            .tensors()
            .map(|(name, ..)| (keys.to_ours(name), name))
            .collect();
        let mut report = Self::default();
        for param in shapes(module) {
            let expected = keys.file_shape(&param.path, &param.shape);
            match unclaimed.remove(&param.path) {
                None => report.missing.push(keys.to_hub(&param.path)),
                Some(name) => {
                    let found = files.shape(name).unwrap_or_default();
                    if found != expected {
                        report
                            .misshapen
                            .push((name.into(), found.to_vec(), expected));
                    }
                }
            }
        }
        let ignored = |path: &String| keys.ignored.contains(path);
        let unused = unclaimed.iter().filter(|(path, _)| !ignored(path));
        report.unused = unused.map(|(_, name)| (*name).to_owned()).collect();
        report
    }

    /// Whether everything fits.
    pub fn is_exact(&self) -> bool {
        self == &Self::default()
    }

    /// What does not fit, in one message of bounded length.
    pub fn message(&self) -> String {
        const SHOWN: usize = 8;
        let mut text = String::from("the weights do not fit the configuration:");
        let mut list = |what: &str, names: &[String]| {
            if !names.is_empty() {
                let shown = names[..names.len().min(SHOWN)].join(", ");
                let more = if names.len() > SHOWN { ", …" } else { "" };
                // Writing to a string cannot fail.
                let _ = write!(text, " {} {what} ({shown}{more});", names.len());
            }
        };
        list("missing", &self.missing);
        list("unused", &self.unused);
        let misshapen = self.misshapen.iter();
        let misshapen: Vec<String> = misshapen
            .map(|(name, found, expected)| format!("{name} is {found:?}, expected {expected:?}"))
            .collect();
        list("misshapen", &misshapen);
        text.trim_end_matches(';').to_owned()
    }
}

/// Loads every parameter as f32 on `device`.
///
/// Tensors are read one at a time from the mapped files.
///
/// # Errors
/// A missing, unused or misshapen tensor: the message lists them.
pub fn load<M: Module>(
    module: M,
    files: &WeightFiles,
    keys: &KeyMap,
    device: &Device,
) -> Result<M, VlmError> {
    let report = LoadReport::compare(&module, files, keys);
    if !report.is_exact() {
        return Err(VlmError::weights(files.dir(), report.message()));
    }
    let names = files
        .tensors()
        .map(|(name, ..)| (keys.to_ours(name), name.to_owned()))
        .collect();
    let mut reader = Reader {
        files,
        names,
        device,
        error: None,
    };
    let module = map_tensors(module, &mut reader);
    match reader.error {
        Some(error) => Err(error),
        None => Ok(module),
    }
}

struct Reader<'a> {
    files: &'a WeightFiles,
    names: BTreeMap<String, String>,
    device: &'a Device,
    error: Option<VlmError>,
}

impl TensorMapper for Reader<'_> {
    fn map<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) -> Option<Tensor<D>> {
        match self.files.read_f32(self.names.get(path)?) {
            Ok(values) => Some(Tensor::from_data(
                TensorData::new(values, param.lazy_shape()),
                self.device,
            )),
            Err(error) => {
                self.error.get_or_insert(error);
                None
            }
        }
    }
}
