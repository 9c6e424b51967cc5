//! Ends what was started when this process is gone, however it went.
//!
//! A process that is killed runs no code any more. So a shell waits beside each program at a pipe
//! that this process holds open: the pipe closes when this process is gone, and the shell then
//! kills the program's process group.

use std::process::{Child, Command, Stdio};

/// Watches over a process group. Dropping it lets the group live.
pub(crate) struct Guard(Child);

impl Guard {
    /// Watches over the process group `group`; none where there is no shell, or no groups.
    pub fn of(group: u32) -> Option<Self> {
        if !cfg!(unix) {
            return None;
        }
        const SCRIPT: &str = "trap '' INT TERM HUP USR1; read -r line; kill -s KILL -- \"-$0\"";
        let mut shell = Command::new("sh");
        shell
            .args(["-c", SCRIPT, &group.to_string()])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut shell, 0);
        shell.spawn().ok().map(Self)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::process::{CommandExt, ExitStatusExt};

    #[test]
    fn the_group_is_killed_when_the_pipe_closes_and_lives_when_it_is_let_go() {
        let mut sleep = Command::new("sleep");
        let mut started = sleep.arg("1000").process_group(0).spawn().unwrap();
        drop(Guard::of(started.id()).unwrap());
        assert!(started.try_wait().unwrap().is_none());
        let mut guard = Guard::of(started.id()).unwrap();
        // What the system does for a process that is gone.
        drop(guard.0.stdin.take());
        assert_eq!(started.wait().unwrap().signal(), Some(9));
    }
}
