//! The completions of a run: its rollouts step by step, and its evaluations before and after.

use std::collections::HashMap;

use crate::error::LogError;
use crate::files::list;
use crate::rollout_log::{RolloutRecord, read_rollouts};
use crate::run_dir::{RunDir, by_step};

/// An evaluation set before and after training.
#[derive(Debug)]
pub struct Evaluation {
    /// The name of the set.
    pub set: String,
    /// Updates before its first evaluation.
    pub before_step: u64,
    /// Updates before its last one; `None` where there is only one evaluation.
    pub after_step: Option<u64>,
    /// The same question before and, where it was asked again, after.
    pub pairs: Vec<(RolloutRecord, Option<RolloutRecord>)>,
}

/// The first and the last evaluation of each set.
///
/// # Errors
/// [`LogError::Line`] with the line that is no record; [`LogError::Io`].
pub fn evaluations(run: &RunDir) -> Result<Vec<Evaluation>, LogError> {
    let mut evaluations = Vec::new();
    for dir in list(&run.eval_dir())?.into_iter().filter(|p| p.is_dir()) {
        let files = by_step(&dir, "jsonl")?;
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
///
/// # Errors
/// [`LogError::Line`] with the line that is no record; [`LogError::Io`].
pub fn first_middle_last(run: &RunDir) -> Result<Vec<(u64, Vec<RolloutRecord>)>, LogError> {
    let files = by_step(&run.rollouts_dir(), "jsonl")?;
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
