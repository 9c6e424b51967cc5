//! A picture of a row: a file of its own, or bytes inside a table.

use super::{parquet, tsv};
use burn_vlm::VlmError;
use std::path::Path;

/// The encoded bytes of a picture.
///
/// `path` is a file, or a picture inside a parquet or TSV file as [`super::DataRow::images`] names it.
///
/// # Errors
/// A file that is missing or cannot be read; the message names it.
pub fn picture_bytes(path: &Path) -> Result<Vec<u8>, VlmError> {
    let inside = parquet::read_picture(path).or_else(|| tsv::read_picture(path));
    let found = inside.unwrap_or_else(|| {
        std::fs::read(path).map_err(|e| format!("the file cannot be read: {e}"))
    });
    found.map_err(|message| VlmError::Image {
        name: path.display().to_string(),
        message,
    })
}
