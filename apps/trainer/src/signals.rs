//! What Ctrl-C does to a run.

use anyhow::Result;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Exit status of a run that was interrupted and saved.
pub const INTERRUPTED: u8 = 130;

/// The first signal sets `stop`, which asks the run to stop and save; the second ends it at once.
///
/// # Errors
/// A system that takes no handler.
pub fn stop_on_signal(stop: Arc<AtomicBool>) -> Result<()> {
    let handler = move || {
        if stop.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        say!("stopping at the next safe point; once more to stop at once");
    };
    match ctrlc::set_handler(handler) {
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
