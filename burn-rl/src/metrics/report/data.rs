//! What the report is made of, read from the run directory.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::RlError;
use crate::metrics::rollout_log::{RolloutRecord, read_rollouts};
use crate::run_dir::{RunDir, list, step_of};

/// A point of a curve: the step and the value there, NaN where the file says `null`.
pub(super) type Point = (f64, f64);

/// The curves of a run by name, in the order in which they first appear.
#[derive(Debug, Default)]
pub(super) struct History {
    curves: Vec<(String, Vec<Point>)>,
}

impl History {
    /// Reads `metrics.jsonl`; empty if there is none yet. A torn last line is one that is still
    /// being written, and is left out.
    pub fn load(path: &Path) -> Result<Self, RlError> {
        let text = read_optional(path)?.unwrap_or_default();
        let mut history = Self::default();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut lines = text.lines().enumerate().peekable();
        while let Some((index, line)) = lines.next() {
            if line.trim().is_empty() {
                continue;
            }
            let row: Map<String, Value> = match serde_json::from_str(line) {
                Ok(row) => row,
                Err(_) if lines.peek().is_none() => break,
                Err(e) => {
                    let (path, message) = (path.to_path_buf(), e.to_string());
                    return Err(RlError::Data {
                        path,
                        line: index + 1,
                        message,
                    });
                }
            };
            let Some(step) = row.get("step").and_then(Value::as_f64) else {
                continue;
            };
            for (name, value) in row.into_iter().filter(|(name, _)| name != "step") {
                let value = match value {
                    Value::Null => f64::NAN,
                    value => match value.as_f64() {
                        Some(number) => number,
                        None => continue,
                    },
                };
                let place = *places.entry(name).or_insert_with_key(|name| {
                    history.curves.push((name.clone(), Vec::new()));
                    history.curves.len() - 1
                });
                history.curves[place].1.push((step, value));
            }
        }
        for (_, points) in &mut history.curves {
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        Ok(history)
    }

    /// The points of a metric; none if it was never written.
    pub fn get(&self, name: &str) -> &[Point] {
        self.curves
            .iter()
            .find(|(n, _)| n == name)
            .map_or(&[], |(_, points)| points)
    }

    /// All names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.curves.iter().map(|(name, _)| name.as_str())
    }

    /// First and last step of the run.
    pub fn steps(&self) -> Option<(f64, f64)> {
        let all = || {
            self.curves
                .iter()
                .flat_map(|(_, points)| points.iter().map(|p| p.0))
        };
        Some((all().reduce(f64::min)?, all().reduce(f64::max)?))
    }

    /// First and last finite value of a metric, with their steps.
    pub fn ends(&self, name: &str) -> Option<(Point, Point)> {
        let finite = || self.get(name).iter().filter(|p| p.1.is_finite());
        Some((*finite().next()?, *finite().next_back()?))
    }

    /// The evaluation sets that `eval/<set>/<metric>` names, in order.
    pub fn eval_sets(&self, metric: &str) -> Vec<&str> {
        fn set_of<'a>(name: &'a str, metric: &str) -> Option<&'a str> {
            let set = name
                .strip_prefix("eval/")?
                .strip_suffix(metric)?
                .strip_suffix('/')?;
            (!set.is_empty()).then_some(set)
        }
        self.names()
            .filter_map(|name| set_of(name, metric))
            .collect()
    }
}

/// An evaluation set before and after training.
#[derive(Debug)]
pub(super) struct Evaluation {
    pub set: String,
    pub before_step: u64,
    /// `None` where there is only one evaluation.
    pub after_step: Option<u64>,
    /// The same question before and, where it was asked again, after.
    pub pairs: Vec<(RolloutRecord, Option<RolloutRecord>)>,
}

/// The first and the last evaluation of each set.
pub(super) fn evaluations(run: &RunDir) -> Result<Vec<Evaluation>, RlError> {
    let mut evaluations = Vec::new();
    for dir in list(&run.eval_dir())?.into_iter().filter(|p| p.is_dir()) {
        let files = step_files(&dir)?;
        let Some((before_step, first)) = files.first() else {
            continue;
        };
        let after = files.last().filter(|(step, _)| step != before_step);
        let mut later = HashMap::new();
        if let Some((_, path)) = after {
            for record in read_rollouts(path)? {
                later.insert((record.prompt_id.clone(), record.draw), record);
            }
        }
        let pair = |before: RolloutRecord| {
            let after = later.remove(&(before.prompt_id.clone(), before.draw));
            (before, after)
        };
        evaluations.push(Evaluation {
            set: dir
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            before_step: *before_step,
            after_step: after.map(|(step, _)| *step),
            pairs: read_rollouts(first)?.into_iter().map(pair).collect(),
        });
    }
    Ok(evaluations)
}

/// The completions of the first, the middle and the last step that has any.
pub(super) fn rollouts(run: &RunDir) -> Result<Vec<(u64, Vec<RolloutRecord>)>, RlError> {
    let files = step_files(&run.rollouts_dir())?;
    let mut picks = match files.len() {
        0 => Vec::new(),
        n => vec![0, (n - 1) / 2, n - 1],
    };
    picks.dedup();
    picks
        .into_iter()
        .map(|i| Ok((files[i].0, read_rollouts(&files[i].1)?)))
        .collect()
}

/// `step_*.jsonl` in order of their steps.
fn step_files(dir: &Path) -> Result<Vec<(u64, PathBuf)>, RlError> {
    let is_log = |p: &PathBuf| p.extension().is_some_and(|e| e == "jsonl");
    let mut files: Vec<(u64, PathBuf)> = list(dir)?
        .into_iter()
        .filter(is_log)
        .filter_map(|p| Some((step_of(&p)?, p)))
        .collect();
    files.sort();
    Ok(files)
}

/// A file's text; `None` if it is not there.
pub(super) fn read_optional(path: &Path) -> Result<Option<String>, RlError> {
    match fs::read(path) {
        // Invalid UTF-8 can only come from damage; the rest of the file is still worth showing.
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(RlError::io(path, e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_not_a_number_and_a_torn_line_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        let text = "{\"step\":0,\"eval/held_out/pass@1\":0.4}\n\
                    {\"step\":1,\"a\":null,\"note\":\"x\"}\n{\"step\":2,\"a\":2.5}\n{\"step\":3,\"a";
        fs::write(&path, text).unwrap();
        let history = History::load(&path).unwrap();
        assert_eq!(
            history.names().collect::<Vec<_>>(),
            ["eval/held_out/pass@1", "a"]
        );
        assert!(history.get("a")[0].1.is_nan());
        assert_eq!(history.ends("a"), Some(((2.0, 2.5), (2.0, 2.5))));
        assert_eq!(history.steps(), Some((0.0, 2.0)));
        assert_eq!(history.eval_sets("pass@1"), ["held_out"]);
        fs::write(&path, format!("oops\n{text}")).unwrap();
        assert!(matches!(
            History::load(&path),
            Err(RlError::Data { line: 1, .. })
        ));
    }
}
