//! What stands for the parquet reader where the crate is built without it.

use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// As the reader's.
pub(super) struct ParquetRow {
    pub fields: Map<String, Value>,
    pub pictures: Vec<(String, Vec<PathBuf>)>,
}

pub(super) fn read_rows(_: &Path) -> Result<Vec<ParquetRow>, String> {
    Err("a parquet file, which takes burn-rl with its feature `parquet`".into())
}

/// No path names a picture inside a parquet file.
pub(super) fn read_picture(_: &Path) -> Option<Result<Vec<u8>, String>> {
    None
}
