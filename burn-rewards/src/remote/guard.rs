//! Ends what was started when this process is gone, however it went.
//!
//! A process that is killed runs no code any more. So a shell waits beside each program at a pipe
//! that this process holds open: the pipe closes when this process is gone, and the shell then
//! kills the program's process group, and what has left the group but has the program's [`Mark`].

use super::mark::Mark;
use std::process::{Child, Command, Stdio};

/// What the shell does: `$0` is the group, `$1` the variable of the environment. It looks again
/// until nobody new is found.
const SCRIPT: &str = r#"
trap '' INT TERM HUP USR1
read -r line
kill -s KILL -- "-$0"
seen=
while new=; do
    for file in $(grep -lzFxe "$1" /proc/[0-9]*/environ); do
        case "$seen " in *" $file "*) continue ;; esac
        new=1 seen="$seen $file" pid=${file%/environ}
        kill -s KILL "${pid#/proc/}"
    done
    [ "$new" ] || exit
done"#;

/// Watches over a process group and what left it. Dropping it lets them live.
pub(crate) struct Guard(Child);

impl Guard {
    /// Watches over the process group `group` and whoever has `mark`; none where there is no shell, or
    /// no groups.
    pub fn of(group: u32, mark: &Mark) -> Option<Self> {
        if !cfg!(unix) {
            return None;
        }
        let mut shell = Command::new("sh");
        shell
            .args(["-c", SCRIPT, &group.to_string(), &mark.variable()])
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
        let mark = Mark::new();
        let mut sleep = Command::new("sleep");
        let mut started = sleep.arg("1000").process_group(0).spawn().unwrap();
        drop(Guard::of(started.id(), &mark).unwrap());
        assert!(started.try_wait().unwrap().is_none());
        let mut guard = Guard::of(started.id(), &mark).unwrap();
        // What the system does for a process that is gone.
        drop(guard.0.stdin.take());
        assert_eq!(started.wait().unwrap().signal(), Some(9));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_left_the_group_is_killed_by_its_mark_and_nobody_elses() {
        let (mark, other) = (Mark::new(), Mark::new());
        let start = |mark: &Mark| {
            let mut sleep = Command::new("sleep");
            mark.set(&mut sleep);
            sleep.arg("1000").process_group(0).spawn().unwrap()
        };
        let (mut own, mut elsewhere, mut anothers) = (start(&mark), start(&mark), start(&other));
        let mut guard = Guard::of(own.id(), &mark).unwrap();
        drop(guard.0.stdin.take());
        assert_eq!(own.wait().unwrap().signal(), Some(9));
        assert_eq!(elsewhere.wait().unwrap().signal(), Some(9));
        guard.0.wait().unwrap();
        assert!(anothers.try_wait().unwrap().is_none());
        other.kill_all();
        assert_eq!(anothers.wait().unwrap().signal(), Some(9));
    }
}
