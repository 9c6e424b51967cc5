//! `report.html` of a run, with pictures from wherever its data have them.

use burn_rl::{data::picture_bytes, run_dir::RunDir};
use run_log::{LogError, report};
use std::{io, path::PathBuf};

/// Writes the report and returns its path.
///
/// # Errors
/// As [`report::write_report`].
pub fn write(run: &RunDir) -> Result<PathBuf, LogError> {
    report::write_report(run, &|path| picture_bytes(path).map_err(io::Error::other))
}
