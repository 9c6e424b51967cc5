//! Wall-clock seconds of phases.

use std::time::Instant;

/// Seconds since the last lap, and since the start.
pub(crate) struct Clock {
    start: Instant,
    last: Instant,
}

impl Clock {
    pub fn start() -> Self {
        let now = Instant::now();
        Self {
            start: now,
            last: now,
        }
    }

    pub fn lap(&mut self) -> f64 {
        let now = Instant::now();
        let seconds = (now - self.last).as_secs_f64();
        self.last = now;
        seconds
    }

    pub fn total(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}
