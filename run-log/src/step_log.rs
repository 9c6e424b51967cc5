//! `metrics.jsonl`: one JSON object a step, `step` first.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::LogError;
use crate::files::{read_text, write_atomic};
use crate::metrics::{Metrics, Sink};

/// Appends one line a step and gives each to the operating system at once: after a kill at most
/// the last line is torn.
#[derive(Debug)]
pub struct JsonlWriter {
    path: PathBuf,
    file: File,
}

impl JsonlWriter {
    /// Starts a new file.
    ///
    /// # Errors
    /// [`LogError::Io`] if there is one already or it cannot be made.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, LogError> {
        let path = path.into();
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&path)
            .map_err(|e| LogError::io(&path, e))?;
        Ok(Self { path, file })
    }

    /// Continues a file after `step`: keeps the lines up to that step as they are, drops those of
    /// later steps and a torn last one. A file that is not there is started.
    ///
    /// # Errors
    /// [`LogError::Line`] if a line other than the last is not an object with a `step`;
    /// [`LogError::Io`].
    pub fn resume(path: impl Into<PathBuf>, step: u64) -> Result<Self, LogError> {
        let path = path.into();
        let text = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => return Self::create(path),
            Err(e) => return Err(LogError::io(&path, e)),
        };
        let kept = lines_until(&path, &text, step)?;
        if kept != text {
            write_atomic(&path, &kept)?;
        }
        let file = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(|e| LogError::io(&path, e))?;
        Ok(Self { path, file })
    }
}

#[derive(Serialize)]
struct Line<'a> {
    step: u64,
    #[serde(flatten)]
    metrics: &'a Metrics,
}

impl Sink for JsonlWriter {
    fn step(&mut self, step: u64, metrics: &Metrics) -> Result<(), LogError> {
        // One write for the whole line: a reader never sees half of it.
        let mut line = serde_json::to_vec(&Line { step, metrics })
            .map_err(|e| LogError::io(&self.path, e.into()))?;
        line.push(b'\n');
        self.file
            .write_all(&line)
            .map_err(|e| LogError::io(&self.path, e))
    }

    /// The numbers join the line of their step, as if they had been there from the start.
    fn amend(&mut self, step: u64, more: &Metrics) -> Result<(), LogError> {
        let text = fs::read(&self.path).map_err(|e| LogError::io(&self.path, e))?;
        let before = lines_until(&self.path, &text, step.saturating_sub(1))?;
        let own = lines_until(&self.path, &text, step)?;
        let own = own[before.len()..].trim_ascii_end();
        let (Some(own), false) = (own.strip_suffix(b"}"), more.is_empty()) else {
            return self.step(step, more);
        };
        let more = serde_json::to_vec(more).map_err(|e| LogError::io(&self.path, e.into()))?;
        let whole = [&before, own, b",", &more[1..], b"\n"].concat();
        write_atomic(&self.path, &whole)?;
        let file = OpenOptions::new().append(true).open(&self.path);
        self.file = file.map_err(|e| LogError::io(&self.path, e))?;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), LogError> {
        self.file.flush().map_err(|e| LogError::io(&self.path, e))
    }
}

/// Reads what a [`JsonlWriter`] wrote: the numbers of each step, `null` as NaN; what is no number is
/// passed over. Empty if there is no such file. A torn last line, which is still being written, is
/// left out.
///
/// # Errors
/// [`LogError::Line`] with the line that is not an object with a step; [`LogError::Io`].
pub fn read(path: &Path) -> Result<Vec<(u64, Metrics)>, LogError> {
    let text = read_text(path)?.unwrap_or_default();
    let mut rows = vec![];
    let mut lines = text.lines().enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        if line.trim().is_empty() {
            continue;
        }
        match parse(line) {
            Ok(row) => rows.push(row),
            Err(_) if lines.peek().is_none() => break,
            Err(message) => {
                return Err(LogError::Line {
                    path: path.to_path_buf(),
                    line: index + 1,
                    message,
                });
            }
        }
    }
    Ok(rows)
}

fn parse(line: &str) -> Result<(u64, Metrics), String> {
    let row: serde_json::Map<String, Value> =
        serde_json::from_str(line).map_err(|e| e.to_string())?;
    let step = row.get("step").and_then(Value::as_u64);
    let step = step.ok_or("expected an object with a step")?;
    let mut metrics = Metrics::new();
    for (name, value) in row.into_iter().filter(|(name, _)| name != "step") {
        match (value.is_null(), value.as_f64()) {
            (true, _) => metrics.set(name, f64::NAN),
            (false, Some(number)) => metrics.set(name, number),
            // A note that somebody's own writer put there.
            (false, None) => {}
        }
    }
    Ok((step, metrics))
}

#[derive(Deserialize)]
struct StepOnly {
    step: u64,
}

fn lines_until(path: &Path, text: &[u8], last_step: u64) -> Result<Vec<u8>, LogError> {
    let mut kept = Vec::with_capacity(text.len() + 1);
    let mut lines = text.split(|&b| b == b'\n').enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        // `split` gives an empty piece after the closing newline.
        let is_last = lines.peek().is_none_or(|(_, next)| next.is_empty());
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice::<StepOnly>(line) {
            Ok(StepOnly { step }) if step <= last_step => {
                kept.extend_from_slice(line);
                kept.push(b'\n');
            }
            Ok(_) => {}
            Err(_) if is_last => {}
            Err(e) => {
                return Err(LogError::Line {
                    path: path.to_path_buf(),
                    line: index + 1,
                    message: format!("expected an object with a step: {e}"),
                });
            }
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(value: f64) -> Metrics {
        let mut metrics = Metrics::new();
        metrics.set("reward/mean", value);
        metrics
    }

    #[test]
    fn step_comes_first_and_nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        JsonlWriter::create(&path)
            .unwrap()
            .step(1, &metrics(0.1))
            .unwrap();
        assert!(matches!(
            JsonlWriter::create(&path),
            Err(LogError::Io { .. })
        ));
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "{\"step\":1,\"reward/mean\":0.1}\n"
        );
    }

    #[test]
    fn a_resumed_file_equals_an_uninterrupted_one() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, steps: std::ops::RangeInclusive<u64>| {
            let path = dir.path().join(name);
            let mut sink = JsonlWriter::create(&path).unwrap();
            for step in steps {
                sink.step(step, &metrics(step as f64 / 3.0)).unwrap();
            }
            path
        };
        let whole = write("whole", 0..=9);
        let killed = write("killed", 0..=7);
        let mut torn = OpenOptions::new().append(true).open(&killed).unwrap();
        torn.write_all(b"{\"step\":8,\"rew").unwrap();
        let mut sink = JsonlWriter::resume(&killed, 4).unwrap();
        for step in 5..=9 {
            sink.step(step, &metrics(step as f64 / 3.0)).unwrap();
        }
        assert_eq!(fs::read(whole).unwrap(), fs::read(killed).unwrap());
    }

    #[test]
    fn numbers_that_come_later_join_the_line_of_their_step() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        let mut sink = JsonlWriter::create(&path).unwrap();
        sink.step(1, &metrics(0.1)).unwrap();
        sink.step(2, &metrics(1.0 / 3.0)).unwrap();
        let mut more = Metrics::new();
        more.set("eval/x/tokens", 4.0);
        sink.amend(2, &more).unwrap();
        sink.step(3, &metrics(0.5)).unwrap();
        let expected = "{\"step\":1,\"reward/mean\":0.1}\n\
            {\"step\":2,\"reward/mean\":0.3333333333333333,\"eval/x/tokens\":4.0}\n\
            {\"step\":3,\"reward/mean\":0.5}\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    }

    #[test]
    fn what_was_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        assert_eq!(read(&path).unwrap(), []);
        let mut sink = JsonlWriter::create(&path).unwrap();
        sink.step(1, &metrics(0.25)).unwrap();
        sink.step(2, &metrics(f64::NAN)).unwrap();
        let mut torn = OpenOptions::new().append(true).open(&path).unwrap();
        torn.write_all(b"{\"step\":3,\"rew").unwrap();
        let rows = read(&path).unwrap();
        assert_eq!(rows[0], (1, metrics(0.25)));
        assert_eq!((rows.len(), rows[1].0), (2, 2));
        assert!(rows[1].1.get("reward/mean").unwrap().is_nan());
        fs::write(&path, "{\"step\":1}\n[]\n{\"step\":2}\n").unwrap();
        let error = read(&path).unwrap_err();
        assert!(matches!(error, LogError::Line { line: 2, .. }), "{error}");
    }

    #[test]
    fn a_whole_last_line_without_newline_counts() {
        let text = b"{\"step\":1}\n{\"step\":2}";
        assert_eq!(
            lines_until(Path::new("m"), text, 2).unwrap(),
            b"{\"step\":1}\n{\"step\":2}\n"
        );
    }

    #[test]
    fn a_broken_line_in_the_middle_is_named() {
        let text = b"{\"step\":1}\nnonsense\n{\"step\":3}\n";
        let error = lines_until(Path::new("m.jsonl"), text, 9).unwrap_err();
        assert!(matches!(error, LogError::Line { line: 2, .. }), "{error}");
    }
}
