//! Finds what a program has started, whatever it did to its group, its session or its parents: by a
//! variable of its environment, which is handed down.

use std::{
    process::{self, Command},
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// The variable. A process that is started without it is not found.
const NAME: &str = "BURN_REWARDS_PROCESS";

/// What the variable holds for one program and all that it starts.
pub(crate) struct Mark(String);

impl Mark {
    /// One that no other program has.
    pub fn new() -> Self {
        static STARTED: AtomicU64 = AtomicU64::new(0);
        let count = STARTED.fetch_add(1, Ordering::Relaxed);
        // Numbers of processes come again.
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_nanos();
        Self(format!("{}.{count}.{now}", process::id()))
    }

    /// The variable as it stands in an environment.
    pub fn variable(&self) -> String {
        format!("{NAME}={}", self.0)
    }

    /// Sets it for a program that is about to be started.
    pub fn set(&self, program: &mut Command) {
        program.env(NAME, &self.0);
    }

    /// Ends all that have it. Only Linux tells environments.
    #[cfg(target_os = "linux")]
    pub fn kill_all(&self) {
        use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
        let variable = self.variable();
        let is_marked = |pid: i32| {
            let environment = std::fs::read(format!("/proc/{pid}/environ"));
            let environment = environment.unwrap_or_default();
            let mut variables = environment.split(|byte| *byte == 0);
            variables.any(|found| found == variable.as_bytes())
        };
        let mut ended = std::collections::BTreeSet::new();
        loop {
            let before = ended.len();
            let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
            for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
                if !is_marked(pid) || !ended.insert(pid) {
                    continue;
                }
                // Held before it is looked at again: by then the number may be another's.
                let held = rustix::process::Pid::from_raw(pid)
                    .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
                if let Some(held) = held.filter(|_| is_marked(pid)) {
                    let _ = pidfd_send_signal(held, Signal::KILL);
                }
            }
            // Whoever was just being started is seen the next time.
            if ended.len() == before {
                return;
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub fn kill_all(&self) {}
}
