//! Rewards that another program gives.

mod guard;
mod mark;
pub(crate) mod process;

#[cfg(feature = "http")]
pub(crate) mod cache;
#[cfg(feature = "http")]
pub(crate) mod http;

use serde_json::Value;
use std::time::Duration;
#[cfg(feature = "http")]
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// How often whoever waits for another program looks whether the reply is still wanted.
const GLANCE: Duration = Duration::from_millis(20);

/// What requests say of their own form, so that a program can tell. 1 had no such key.
pub(crate) const PROTOCOL: u64 = 2;

/// A number, or a verdict as 0 or 1.
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
        value => value.as_f64(),
    }
}

/// A piece of what was received, for error messages.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    const SHOWN: usize = 200;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]);
    let more = if bytes.len() > SHOWN { "…" } else { "" };
    format!("`{}{more}`", text.trim())
}

/// Why what was received is no JSON, to be put behind a message; empty where it is.
pub(crate) fn why(error: Option<serde_json::Error>, bytes: &[u8]) -> String {
    let Some(error) = error else {
        return String::new();
    };
    let text = String::from_utf8_lossy(bytes);
    let error = error.to_string();
    let words = ["NaN", "Infinity", "nan", "inf"];
    let is_word = |word: &&str| {
        text.split(|c: char| !c.is_ascii_alphabetic())
            .any(|w| w == *word)
    };
    match words.iter().any(is_word) || error.contains("out of range") {
        true => ": JSON has no NaN and no infinity, and a reward must be a finite number".into(),
        false => format!(": {error}"),
    }
}

/// What `work` gives for 0 to `n`, in order, on at most `threads` threads: for work that waits.
#[cfg(feature = "http")]
pub(crate) fn in_parallel<T: Send + Default>(
    n: usize,
    threads: usize,
    work: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    let results: Vec<Mutex<T>> = (0..n).map(|_| Mutex::default()).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..threads.min(n) {
            scope.spawn(|| {
                while let Some((i, result)) = {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    results.get(i).map(|result| (i, result))
                } {
                    let done = work(i);
                    *result.lock().unwrap_or_else(PoisonError::into_inner) = done;
                }
            });
        }
    });
    let done = results.into_iter().map(Mutex::into_inner);
    done.map(|r| r.unwrap_or_else(PoisonError::into_inner))
        .collect()
}

/// A template with its `{names}` filled in, those for which `value` has something. What was filled
/// in is not looked at again.
#[cfg(feature = "http")]
pub(crate) fn fill<'a>(
    template: &str,
    value: impl Fn(&str) -> Option<std::borrow::Cow<'a, str>>,
) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, name, after)) = next_name(rest) {
        text.push_str(before);
        match value(name) {
            Some(value) => {
                text.push_str(&value);
                rest = after;
            }
            None => {
                text.push('{');
                rest = &rest[before.len() + 1..];
            }
        }
    }
    text + rest
}

/// The `{names}` of a template.
#[cfg(feature = "http")]
pub(crate) fn names_in(template: &str) -> Vec<&str> {
    let mut names = vec![];
    let mut rest = template;
    while let Some((before, name, _)) = next_name(rest) {
        names.push(name);
        rest = &rest[before.len() + 1..];
    }
    names
}

/// The next `{name}` of a text: what stands before it, its name, and what follows. The name of a
/// brace that begins none is empty.
#[cfg(feature = "http")]
fn next_name(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let end = rest.find(|c: char| !(c.is_alphanumeric() || "_.-".contains(c)));
    match end.filter(|end| rest[*end..].starts_with('}')) {
        Some(end) => Some((before, &rest[..end], &rest[end + 1..])),
        None => Some((before, "", rest)),
    }
}
