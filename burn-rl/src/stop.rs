//! How a run is asked to stop.

use crate::error::RlError;
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Asks a run to stop; clones ask the same run.
///
/// Rollouts, rewards, scores and evaluations are then left as they are, because nothing has been
/// learned from them: a resumed run makes them again. An update is finished first, unless that takes
/// longer than the flag's patience.
///
/// ```
/// use burn_rl::StopFlag;
/// use std::time::Duration;
///
/// let stop = StopFlag::patient_for(Duration::ZERO);
/// assert!(!stop.is_requested() && !stop.is_overdue());
/// stop.request();
/// assert!(stop.is_requested() && stop.is_overdue());
/// ```
#[derive(Debug, Clone, Default)]
pub struct StopFlag {
    asked: Arc<AtomicBool>,
    /// When it was first seen to be asked.
    since: Arc<OnceLock<Instant>>,
    patience: Option<Duration>,
}

impl StopFlag {
    /// A flag that lets an update finish, however long that takes.
    pub fn new() -> Self {
        Self::default()
    }

    /// A flag that lets an update go on for so long after it was asked to stop. What the update has
    /// done by then is dropped, and the run is saved as it was before it.
    pub fn patient_for(patience: Duration) -> Self {
        Self {
            patience: Some(patience),
            ..Self::default()
        }
    }

    /// Asks the run to stop.
    pub fn request(&self) {
        self.since.get_or_init(Instant::now);
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Whether the run is to stop.
    pub fn is_requested(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Whether an update has to be given up.
    pub fn is_overdue(&self) -> bool {
        let Some(patience) = self.patience else {
            return false;
        };
        self.is_requested() && self.since.get_or_init(Instant::now).elapsed() >= patience
    }

    /// Whether an update may ever have to be given up.
    pub(crate) fn may_be_overdue(&self) -> bool {
        self.patience.is_some()
    }

    /// What becomes true when the run is asked to stop, for those who wait for something.
    pub fn requested(&self) -> &AtomicBool {
        &self.asked
    }

    /// # Errors
    /// [`RlError::Stopped`] once an update has to be given up.
    pub(crate) fn check_overdue(&self) -> Result<(), RlError> {
        match self.is_overdue() {
            true => Err(RlError::Stopped),
            false => Ok(()),
        }
    }

    /// # Errors
    /// [`RlError::Stopped`] once the run is to stop.
    pub(crate) fn check_requested(&self) -> Result<(), RlError> {
        match self.is_requested() {
            true => Err(RlError::Stopped),
            false => Ok(()),
        }
    }
}

/// A flag of somebody else's.
impl From<Arc<AtomicBool>> for StopFlag {
    fn from(asked: Arc<AtomicBool>) -> Self {
        Self {
            asked,
            ..Self::default()
        }
    }
}
