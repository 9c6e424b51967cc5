//! Weights between files and modules, by name.

mod convert;
mod export;
mod file;
mod fingerprint;
mod init;
mod keys;
mod load;
mod named;
mod precision;
mod prefix;

pub use export::{ExportDtype, F32View, save, write_f32};
pub use file::WeightFiles;
pub(crate) use file::{INDEX, SINGLE, is_shard};
pub use init::initialise;
pub(crate) use init::normal;
pub use keys::{FileTensor, KeyMap, KeyRow, Piece};
pub use load::{Allow, LoadReport, load};
pub use named::{
    NamedShape, ParamMapper, TensorMapper, TensorVisitor, for_each_tensor, map_params, map_tensors,
    shapes, trained,
};
pub(crate) use precision::name_dtype;
pub(crate) use prefix::nearest;
pub use prefix::{NamePrefix, select};
