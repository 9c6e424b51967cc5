//! A reward from a child process.

use super::Options;
use crate::{
    Notice, Reward, RewardError, RewardFn, RewardInput,
    remote::{
        PROTOCOL, excerpt, number,
        process::{Fault, Process},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// A program reads one JSON object a line from standard input and writes one a line to standard
/// output, in any order:
///
/// ```text
/// → {"version":2,"id":7,"prompt":"…","response":"…","answer":"…","response_tokens":31,
///    "truncated":false,"row_id":"train-17","set":"geo3k","step":12,
///    "fields":{"id":"train-17","answer":"…","level":3},"prompt_end":"…<think>\n",
///    "images":[{"original":[640,480],"resized":[644,476],"path":"data/images/17.png"}],
///    "coordinates":"resized"}
/// ← {"id":7,"reward":0.5,"correct":true,"parts":{"style":0.5}}
/// ← {"id":8,"error":"…"}            the run ends with this message
/// ← {"id":9,"gold_error":"…"}       the gold answer cannot be used: `on_unparsable_gold`
/// ← {"id":10,"applies":false}       it says nothing about this row
/// ```
///
/// `correct` and `parts` may be left out. Ids count up as long as the program runs. `answer` is null
/// where the row has none, and a list where several are accepted; `fields` has all fields of the row
/// but its prompt and its pictures. What is not known is null; `version` counts up when a key changes
/// its meaning, and keys may be added without that. The program is started with the first response
/// and ends when its standard input does. One that ends early or does not reply in time is started
/// again, which is said and counted; one that does so more often than `restarts` in a run, or that
/// writes something else, ends the run with a message that has its last words on standard error. No
/// response ever gets a reward that was not given. What the program has started itself ends with it,
/// and it ends with the run, also where that is killed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Command {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// How many of it run.
    pub processes: usize,
    /// Longest wait for the next reply, in seconds.
    pub timeout_s: f64,
    /// How often it may be started again in a run, all its processes together.
    pub restarts: usize,
    /// Names of the parts that every reply has.
    pub parts: Vec<String>,
}

impl Default for Command {
    fn default() -> Self {
        Self {
            command: vec![],
            processes: 1,
            timeout_s: 60.0,
            restarts: 2,
            parts: vec![],
        }
    }
}

impl Options for Command {
    const NAME: &'static str = "command";
    const PART: &'static str = "command";
    const RANGE: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);
    const ABOUT: &'static str = "a program of yours that reads and writes lines of JSON";
    const SOURCE: &'static str = "yours";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[
        ("command", "the program and its arguments, as a list"),
        ("processes", "how many of it run"),
        ("timeout_s", "longest wait for the next reply, in seconds"),
        (
            "restarts",
            "how often it may be started again in a run, all its processes together",
        ),
        ("parts", "names of the parts that every reply has"),
    ];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        if self.command.first().is_none_or(String::is_empty) {
            return Err("option `command` is empty, expected a program and its arguments".into());
        }
        if !(1..=256).contains(&self.processes) {
            return Err(format!(
                "option `processes` is {}, expected 1 to 256",
                self.processes
            ));
        }
        let timeout = Duration::try_from_secs_f64(self.timeout_s)
            .ok()
            .filter(|t| !t.is_zero())
            .ok_or_else(|| {
                format!(
                    "option `timeout_s` is {}, expected more than 0",
                    self.timeout_s
                )
            })?;
        Ok(Box::new(CommandReward {
            slots: (0..self.processes).map(|_| Mutex::new(None)).collect(),
            next: AtomicUsize::new(0),
            restarts: AtomicUsize::new(0),
            notices: Mutex::default(),
            timeout,
            options: self,
        }))
    }
}

struct CommandReward {
    options: Command,
    timeout: Duration,
    /// The processes, as far as they have started.
    slots: Vec<Mutex<Option<Process>>>,
    next: AtomicUsize,
    /// How often one of them was started again.
    restarts: AtomicUsize,
    /// What nobody was told yet.
    notices: Mutex<Vec<Notice>>,
}

type Scored = Result<Reward, RewardError>;

impl CommandReward {
    fn error(&self, message: impl std::fmt::Display) -> RewardError {
        let program = self.options.command.join(" ");
        RewardError::service(Command::NAME, format!("`{program}`: {message}"))
    }

    /// Scores on one process, starting it again where that helps.
    fn score_on(&self, slot: usize, inputs: &[RewardInput<'_>]) -> Vec<Scored> {
        let mut results: Vec<Option<Scored>> = inputs.iter().map(|_| None).collect();
        let mut slot = self.slots[slot % self.slots.len()]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_cancelled = || inputs.iter().any(RewardInput::is_cancelled);
        let failure = loop {
            let open: Vec<usize> = (0..inputs.len())
                .filter(|i| results[*i].is_none())
                .collect();
            if open.is_empty() {
                break String::new();
            }
            let mut process = match slot.take().map_or_else(|| self.start(), Ok) {
                Ok(process) => process,
                Err(message) => break message,
            };
            let first = process.new_ids(open.len());
            let questions: Vec<(u64, Vec<u8>)> = (first..)
                .zip(&open)
                .map(|(id, i)| (id, request(id, &inputs[*i])))
                .collect();
            let asked = process.ask(&questions, self.timeout, &is_cancelled, &mut |id, reply| {
                let i = open[(id - first) as usize];
                results[i] = Some(self.reward(&inputs[i], &reply));
            });
            match asked {
                Ok(()) => *slot = Some(process),
                Err(Fault::Protocol(message)) => {
                    process.abandon();
                    break message;
                }
                Err(Fault::Cancelled) => {
                    process.abandon();
                    break "nobody waits for it any more".into();
                }
                Err(Fault::Gone(message)) => {
                    process.abandon();
                    if let Some(message) = self.is_not_started_again(message) {
                        break message;
                    }
                }
            }
        };
        results
            .into_iter()
            .map(|result| result.unwrap_or_else(|| Err(self.error(&failure))))
            .collect()
    }

    /// Notes that a process has to be started again; a message where that was often enough.
    fn is_not_started_again(&self, message: String) -> Option<String> {
        let (before, limit) = (
            self.restarts.fetch_add(1, Ordering::Relaxed),
            self.options.restarts,
        );
        if before >= limit {
            return Some(format!("{message} (started {} times in vain)", limit + 1));
        }
        let program = self.options.command.join(" ");
        let n = before + 1;
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        notices.push(Notice {
            rule: Command::NAME.into(),
            message: format!(
                "`{program}`: {message}; it is started again (restart {n} of {limit} in this run)"
            ),
        });
        None
    }

    fn start(&self) -> Result<Process, String> {
        Process::start(&self.options.command)
    }

    fn reward(&self, input: &RewardInput<'_>, reply: &Value) -> Scored {
        let refuse = |expected: &str| {
            let shown = excerpt(reply.to_string().as_bytes());
            Err(self.error(format!("it answered {shown}, expected {expected}")))
        };
        let text = |key: &str| {
            reply
                .get(key)
                .map(|v| v.as_str().map_or(v.to_string(), str::to_owned))
        };
        if let Some(message) = text("gold_error") {
            return Err(RewardError::gold(Command::NAME, input.answer, message));
        }
        if let Some(message) = text("error") {
            return Err(self.error(format!("it reports: {message}")));
        }
        if reply.get("applies") == Some(&Value::Bool(false)) {
            let message = format!("`{}` says nothing about this row", Command::NAME);
            return Err(RewardError::NotApplicable { message });
        }
        let Some(value) = reply.get("reward").and_then(number) else {
            return refuse("a number as `reward`");
        };
        let correct = match reply.get("correct") {
            None | Some(Value::Null) => None,
            Some(Value::Bool(correct)) => Some(*correct),
            Some(_) => return refuse("true or false as `correct`"),
        };
        let mut scored = Reward::single(Command::PART, value, correct);
        match reply.get("parts") {
            None => {}
            Some(Value::Object(parts)) => {
                for (name, part) in parts {
                    let Some(part) = number(part) else {
                        return refuse("numbers in `parts`");
                    };
                    scored.parts.push((name.clone(), part));
                }
            }
            Some(_) => return refuse("an object as `parts`"),
        }
        match self.options.parts.iter().find(|n| scored.part(n).is_none()) {
            Some(name) => refuse(&format!("`parts` with `{name}`")),
            None => Ok(scored),
        }
    }
}

fn request(id: u64, input: &RewardInput<'_>) -> Vec<u8> {
    let mut request = json!({
        "version": PROTOCOL,
        "id": id,
        "prompt": input.prompt,
        "response": input.response,
        "answer": input.gold(),
    });
    if let Value::Object(request) = &mut request {
        request.extend(input.context());
    }
    let mut line = request.to_string().into_bytes();
    line.push(b'\n');
    line
}

impl RewardFn for CommandReward {
    fn score(&self, input: &RewardInput<'_>) -> Scored {
        let slot = self.next.fetch_add(1, Ordering::Relaxed);
        let mut scored = self.score_on(slot, &[*input]);
        scored.pop().unwrap_or_else(|| Err(self.error("no reply")))
    }

    fn part_names(&self) -> Vec<String> {
        let own = std::iter::once(Command::PART.to_owned());
        own.chain(self.options.parts.clone()).collect()
    }

    fn score_batch(&self, inputs: &[RewardInput<'_>]) -> Vec<Scored> {
        let share = inputs.len().div_ceil(self.slots.len()).max(1);
        thread::scope(|scope| {
            let started: Vec<_> = inputs
                .chunks(share)
                .enumerate()
                .map(|(slot, chunk)| (chunk.len(), scope.spawn(move || self.score_on(slot, chunk))))
                .collect();
            let failed = |n| vec![Err(self.error("its thread failed")); n];
            let all = started
                .into_iter()
                .map(|(n, t)| t.join().unwrap_or_else(|_| failed(n)));
            all.flatten().collect()
        })
    }

    fn check_gold(&self, _row: &RewardInput<'_>) -> Result<(), RewardError> {
        Ok(())
    }

    fn needs_answer(&self, _row: &RewardInput<'_>) -> bool {
        false
    }

    fn reads_all_answers(&self) -> bool {
        true
    }

    fn take_notices(&self) -> Vec<Notice> {
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *notices)
    }
}

impl Drop for CommandReward {
    fn drop(&mut self) {
        // All of them end at the same time, not one after the other.
        for slot in &mut self.slots {
            let slot = slot.get_mut().unwrap_or_else(PoisonError::into_inner);
            slot.iter_mut().for_each(Process::close_input);
        }
    }
}
