//! A child process that answers lines of JSON with lines of JSON.
//!
//! Three threads stand at its pipes, so that no side ever waits for the other to read: requests
//! are written, replies read and standard error drained each on its own.

use super::{GLANCE, excerpt, guard::Guard, mark::Mark};
use serde_json::Value;
use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

/// A reply longer than this is no reply.
const LONGEST_LINE: u64 = 16 << 20;
/// Requests sent ahead of their replies.
const AHEAD: usize = 64;
/// How much of standard error is kept for messages.
const STDERR_TAIL: usize = 2000;
/// How long a process whose input has ended may take to end.
const GRACE: Duration = Duration::from_secs(2);

/// What went wrong with a process.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It is late or gone: a new one may do better.
    Gone(String),
    /// It answers something else than asked: a new one would do the same.
    Protocol(String),
    /// Nobody waits for its replies any more.
    Cancelled,
}

/// A running process.
pub(crate) struct Process {
    child: Child,
    /// Ends its group when this process is killed.
    guard: Option<Guard>,
    /// What it started is found by it.
    mark: Mark,
    /// Lines on their way to standard input; dropping it closes the pipe.
    requests: Option<Sender<Vec<u8>>>,
    lines: Receiver<Line>,
    /// Requests it was asked so far: an id is never given twice, so that a reply too many is not
    /// taken for one to a later request.
    asked: u64,
    stderr: Arc<Mutex<VecDeque<u8>>>,
    /// Whether the system was asked how it ended: its number may be another's from then on.
    is_collected: bool,
}

enum Line {
    Text(Vec<u8>),
    TooLong,
}

impl Process {
    /// Starts `command`: a program and its arguments.
    ///
    /// # Errors
    /// The system's message.
    pub fn start(command: &[String]) -> Result<Self, String> {
        let name = command.first().map_or("", String::as_str);
        let mut builder = Command::new(name);
        builder
            .args(&command[1.min(command.len())..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // In a group of its own: an interrupt at the terminal lets the run finish its step, and
        // what the process started itself ends with it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut builder, 0);
        let mark = Mark::new();
        mark.set(&mut builder);
        let mut child = builder
            .spawn()
            .map_err(|e| format!("cannot start `{name}`: {e}"))?;
        let guard = Guard::of(child.id(), &mark);
        let (requests, to_write) = channel::<Vec<u8>>();
        if let Some(mut stdin) = child.stdin.take() {
            thread::spawn(move || {
                for line in to_write {
                    if stdin.write_all(&line).and_then(|()| stdin.flush()).is_err() {
                        break;
                    }
                }
            });
        }
        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || read_lines(stdout, &sender));
        }
        let stderr = Arc::new(Mutex::new(VecDeque::new()));
        if let Some(pipe) = child.stderr.take() {
            let tail = stderr.clone();
            thread::spawn(move || keep_tail(pipe, &tail));
        }
        Ok(Self {
            child,
            guard,
            mark,
            requests: Some(requests),
            lines,
            asked: 0,
            stderr,
            is_collected: false,
        })
    }

    /// The first of `n` ids that this process has not seen.
    pub fn new_ids(&mut self, n: usize) -> u64 {
        let first = self.asked;
        self.asked += n as u64;
        first
    }

    /// Asks everything in `questions`, which are (id, line), and hands each reply to `answered`.
    ///
    /// # Errors
    /// No reply for `timeout`, an end of the process, a line that is no reply, or a yes of
    /// `is_cancelled`. What was answered before stays answered.
    pub fn ask(
        &mut self,
        questions: &[(u64, Vec<u8>)],
        timeout: Duration,
        is_cancelled: &dyn Fn() -> bool,
        answered: &mut dyn FnMut(u64, Value),
    ) -> Result<(), Fault> {
        let mut waiting: Vec<u64> = vec![];
        let mut next = questions.iter();
        loop {
            while waiting.len() < AHEAD
                && let Some((id, line)) = next.next()
            {
                waiting.push(*id);
                if let Some(requests) = &self.requests {
                    // A writer that is gone shows as an end of the replies.
                    let _ = requests.send(line.clone());
                }
            }
            if waiting.is_empty() {
                return Ok(());
            }
            let reply = self.reply(timeout, is_cancelled)?;
            let id = reply.get("id").and_then(Value::as_u64);
            let Some(place) = waiting.iter().position(|w| Some(*w) == id) else {
                let shown = excerpt(reply.to_string().as_bytes());
                return Err(Fault::Protocol(format!(
                    "it answered {shown}, expected the `id` of a request that waits"
                )));
            };
            answered(waiting.swap_remove(place), reply);
        }
    }

    fn reply(
        &mut self,
        timeout: Duration,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Value, Fault> {
        let start = Instant::now();
        let line = loop {
            let left = timeout.saturating_sub(start.elapsed());
            match self.lines.recv_timeout(left.min(GLANCE)) {
                Err(RecvTimeoutError::Timeout) if is_cancelled() => return Err(Fault::Cancelled),
                Err(RecvTimeoutError::Timeout) if left > GLANCE => {}
                line => break line,
            }
        };
        match line {
            Ok(Line::Text(line)) => match serde_json::from_slice(&line) {
                Ok(value @ Value::Object(_)) => Ok(value),
                other => Err(Fault::Protocol(format!(
                    "it wrote {} to standard output, expected a JSON object on each line{}",
                    excerpt(&line),
                    super::why(other.err(), &line)
                ))),
            },
            Ok(Line::TooLong) => Err(Fault::Protocol(format!(
                "it wrote a line of more than {LONGEST_LINE} bytes"
            ))),
            Err(RecvTimeoutError::Timeout) => Err(Fault::Gone(format!(
                "no reply within {} s{}",
                timeout.as_secs_f64(),
                self.last_words()
            ))),
            Err(RecvTimeoutError::Disconnected) => {
                let how = match self.wait(GRACE) {
                    Some(status) => status,
                    None => "it closed its standard output".into(),
                };
                Err(Fault::Gone(format!("{how}{}", self.last_words())))
            }
        }
    }

    /// How the process ended, if it does in that time. What it started ends with it.
    fn wait(&mut self, patience: Duration) -> Option<String> {
        if self.is_collected {
            return None;
        }
        let start = Instant::now();
        while !self.has_ended() {
            if start.elapsed() >= patience {
                return None;
            }
            thread::sleep(Duration::from_millis(2));
        }
        self.kill_group();
        let status = self.child.wait().ok()?;
        self.is_collected = true;
        Some(format!("it ended with {status}"))
    }

    /// Whether the process has ended; the system keeps its number until it is waited for, so that
    /// its group is still its own.
    #[cfg(unix)]
    fn has_ended(&mut self) -> bool {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        let how = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let pid = self.pid();
        pid.is_none_or(|pid| !matches!(waitid(WaitId::Pid(pid), how), Ok(None)))
    }

    #[cfg(not(unix))]
    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    fn last_words(&self) -> String {
        let tail = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = tail.iter().copied().collect();
        match String::from_utf8_lossy(&bytes).trim() {
            "" => String::new(),
            text => format!("; its standard error ends with: {text}"),
        }
    }

    #[cfg(unix)]
    fn pid(&self) -> Option<rustix::process::Pid> {
        rustix::process::Pid::from_raw(self.child.id().cast_signed())
    }

    /// Ends what the process started, and the process where it still runs.
    fn kill_group(&mut self) {
        #[cfg(unix)]
        if let Some(pid) = self.pid() {
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
        self.mark.kill_all();
        self.guard = None;
    }

    /// Ends the process and what it started, at once.
    fn kill(&mut self) {
        if self.is_collected {
            return;
        }
        self.kill_group();
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.is_collected = true;
    }

    /// Tells the process that nothing more comes.
    pub fn close_input(&mut self) {
        self.requests = None;
    }

    /// Ends a process that does not answer, or whose answers nobody needs.
    pub fn abandon(mut self) {
        self.kill();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.requests = None;
        if self.wait(GRACE).is_none() {
            self.kill();
        }
    }
}

fn read_lines(stdout: impl Read, lines: &Sender<Line>) {
    let mut reader = BufReader::new(stdout);
    loop {
        let mut line = vec![];
        let read = reader
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line);
        let more = match read {
            Ok(0) | Err(_) => return,
            Ok(_) if line.last() != Some(&b'\n') && line.len() as u64 >= LONGEST_LINE => {
                let _ = lines.send(Line::TooLong);
                return;
            }
            Ok(_) if line.trim_ascii().is_empty() => true,
            Ok(_) => lines.send(Line::Text(line)).is_ok(),
        };
        if !more {
            return;
        }
    }
}

fn keep_tail(mut stderr: impl Read, tail: &Mutex<VecDeque<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = stderr.read(&mut buffer) {
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend(&buffer[..n]);
        let surplus = tail.len().saturating_sub(STDERR_TAIL);
        tail.drain(..surplus);
    }
}
