//! `log.txt` of a run.

use anyhow::{Context, Result};
use std::{fs::OpenOptions, path::Path, sync::Mutex};

/// Sends log lines to a file, behind those that are there.
///
/// # Errors
/// A file that cannot be opened.
pub fn log_to(path: &Path) -> Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    let file = file.with_context(|| path.display().to_string())?;
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_target(false)
        .with_writer(Mutex::new(file))
        .finish();
    // A program that embeds this crate may have a subscriber of its own, which then stays.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(())
}
