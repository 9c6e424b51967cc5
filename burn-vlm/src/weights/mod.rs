//! Weights between files and modules, by name.

mod export;
mod file;
mod fingerprint;
mod init;
mod load;
mod named;
mod precision;
mod prefix;

pub use export::{ExportDtype, save};
pub use file::WeightFiles;
pub use init::initialise;
pub(crate) use init::normal;
pub use load::{LoadReport, load};
pub use named::{NamedShape, TensorMapper, TensorVisitor, for_each_tensor, map_tensors, shapes};
pub(crate) use precision::name_dtype;
pub(crate) use prefix::nearest;
pub use prefix::{NamePrefix, select};

/// How the parameters of a module are called in a checkpoint.
///
/// The path of a parameter in our module is its name but for the prefixes listed, so one table
/// serves both directions.
#[derive(Debug, Clone)]
pub struct KeyMap {
    /// `[ours, the hub's, newer files']`, the first match wins.
    pub prefixes: &'static [[&'static str; 3]],
    /// Parameters whose shape in the file differs from ours, with the file's shape.
    pub file_shapes: Vec<(String, Vec<usize>)>,
    /// Tensors a file may hold that the model has no use for.
    pub ignored: Vec<String>,
}

impl KeyMap {
    /// The hub's name of our parameter `path`.
    pub fn to_hub(&self, path: &str) -> String {
        for [ours, hub, _] in self.prefixes {
            if let Some(rest) = path.strip_prefix(ours) {
                return format!("{hub}{rest}");
            }
        }
        path.to_owned()
    }

    /// Every name of our parameter `path`: ours, the hub's and that of newer files.
    pub fn spellings(&self, path: &str) -> Vec<String> {
        let row = self.prefixes.iter().find(|row| path.starts_with(row[0]));
        match row {
            Some([ours, others @ ..]) => [path.to_owned()]
                .into_iter()
                .chain(others.map(|other| format!("{other}{}", &path[ours.len()..])))
                .collect(),
            None => vec![path.to_owned()],
        }
    }

    /// The name of our parameter `path` in the newest files, which is that in transformers.
    pub fn to_newest(&self, path: &str) -> String {
        self.spellings(path).pop().unwrap_or_default()
    }

    /// Our path of the tensor `name` of a file, of either generation.
    pub fn to_ours(&self, name: &str) -> String {
        for newer in [2, 1] {
            for row in self.prefixes {
                if let Some(rest) = name.strip_prefix(row[newer]) {
                    return format!("{}{rest}", row[0]);
                }
            }
        }
        name.to_owned()
    }

    /// The shape that the tensor of parameter `path` has in a file.
    pub fn file_shape(&self, path: &str, ours: &[usize]) -> Vec<usize> {
        let special = self.file_shapes.iter().find(|(name, _)| name == path);
        special.map_or_else(|| ours.to_vec(), |(_, shape)| shape.clone())
    }
}
