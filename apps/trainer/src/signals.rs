//! What signals do to a run.

use crate::input_error::InputError;
use anyhow::Result;
use burn_rl::StopFlag;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// Exit status of a run that was interrupted and saved.
pub const INTERRUPTED: u8 = 130;

/// SIGINT, SIGTERM and SIGHUP ask the run to stop and save; a second one ends it at once. SIGUSR1,
/// which schedulers send ahead of time (`#SBATCH --signal=USR1@90`), asks too, and is no first one.
///
/// # Errors
/// A system that takes no handler.
pub fn stop_on_signal(stop: &StopFlag) -> Result<()> {
    let is_second = AtomicBool::new(false);
    let flag = stop.clone();
    let handler = move || {
        if is_second.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        ask(&flag);
    };
    match ctrlc::set_handler(handler) {
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => {}
        Err(error) => return Err(error.into()),
    }
    #[cfg(unix)]
    on_early_warning(stop.clone())?;
    Ok(())
}

fn ask(stop: &StopFlag) {
    if !stop.is_requested() {
        say!("stopping, and saving what was learned; once more to stop at once");
    }
    stop.request();
}

/// A handler may do next to nothing: it writes a byte, which a thread waits for.
#[cfg(unix)]
fn on_early_warning(stop: StopFlag) -> Result<()> {
    use std::{
        io::{Read, Write},
        os::unix::net::UnixStream,
    };
    let (mut seen, tell) = UnixStream::pair()?;
    tell.set_nonblocking(true)?;
    let handler = move || {
        // A full pipe has told it already.
        let _ = (&tell).write(&[1]);
    };
    // SAFETY: the handler calls write(2) alone, which signal handlers may.
    #[allow(unsafe_code)]
    unsafe {
        signal_hook_registry::register(libc::SIGUSR1, handler)?;
    }
    std::thread::spawn(move || {
        let mut byte = [0];
        while let Ok(1) = seen.read(&mut byte) {
            ask(&stop);
        }
    });
    Ok(())
}

/// Reads a time as `30s`, `2m`, `1.5h`, `500ms`, or a number of seconds.
///
/// # Errors
/// Anything else.
pub fn parse_time(text: &str) -> Result<Duration, InputError> {
    const UNITS: [(&str, f64); 4] = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let units = UNITS.iter().chain([&("", 1.0)]);
    let read = |(unit, seconds): &(&str, f64)| {
        let number: f64 = text.trim().strip_suffix(unit)?.trim_end().parse().ok()?;
        Duration::try_from_secs_f64(number * seconds).ok()
    };
    units.into_iter().find_map(read).ok_or_else(|| {
        InputError::new(format!(
            "{text:?} is no time, expected one as 30s, 2m, 1.5h or 500ms"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, seconds) in [("30s", 30.0), ("2m", 120.0), ("1.5h", 5400.0), ("0.5", 0.5)] {
            assert_eq!(
                parse_time(text),
                Ok(Duration::from_secs_f64(seconds)),
                "{text}"
            );
        }
        assert_eq!(parse_time("250 ms"), Ok(Duration::from_millis(250)));
        for wrong in ["", "s", "-1s", "nan", "inf", "1d", "1e300h", "1 2s"] {
            let message = parse_time(wrong).unwrap_err().to_string();
            assert!(message.contains("expected one as 30s"), "{message}");
        }
    }
}
