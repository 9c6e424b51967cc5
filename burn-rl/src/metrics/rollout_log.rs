//! `rollouts/step_000001.jsonl` and `eval/<set>/step_000000.jsonl`: every completion with its
//! rewards, one JSON object a line.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize};

use crate::data::RowContext;
use crate::error::RlError;
use crate::run_dir::write_atomic;

/// One completion and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RolloutRecord {
    /// The step it was sampled in; for an evaluation, the number of updates before it.
    pub step: u64,
    /// The id of the data row.
    pub prompt_id: String,
    /// Which of the completions of this prompt, from 0.
    pub draw: usize,
    /// The question as the model read it, as text.
    pub prompt: String,
    /// Paths of the pictures: absolute, or relative to the run directory.
    #[serde(default)]
    pub images: Vec<String>,
    /// The gold answer.
    pub answer: String,
    /// What the model said.
    pub response: String,
    /// Length of the response in tokens.
    pub tokens: usize,
    /// Why it ended.
    pub finish_reason: String,
    /// The reward; `null` in the file where it is not finite.
    #[serde(deserialize_with = "number_or_null")]
    pub reward: f64,
    /// The reward's named parts.
    #[serde(default, deserialize_with = "numbers_or_null")]
    pub parts: BTreeMap<String, f64>,
    /// Whether the answer is right, where a rule can tell.
    #[serde(default)]
    pub correct: Option<bool>,
    /// The advantage of its first token, where it was trained on in this step.
    #[serde(default)]
    pub advantage: Option<f64>,
    /// Whether it was trained on, or waits to be; a filter may have dropped it.
    pub kept: bool,
    /// What else the reward could look at.
    #[serde(default)]
    pub context: RowContext,
}

/// Writes the records whole or not at all.
///
/// # Errors
/// [`RlError::Io`].
pub fn write_rollouts(path: &Path, records: &[RolloutRecord]) -> Result<(), RlError> {
    let mut text = Vec::new();
    for record in records {
        serde_json::to_writer(&mut text, record).map_err(|e| RlError::io(path, e.into()))?;
        text.push(b'\n');
    }
    write_atomic(path, &text)
}

/// Reads what [`write_rollouts`] wrote.
///
/// # Errors
/// [`RlError::Io`] if the file cannot be read, [`RlError::Data`] with the line that is no record.
pub fn read_rollouts(path: &Path) -> Result<Vec<RolloutRecord>, RlError> {
    let text = fs::read_to_string(path).map_err(|e| RlError::io(path, e))?;
    let parse = |(index, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|e| RlError::Data {
            path: path.to_path_buf(),
            line: index + 1,
            message: e.to_string(),
        })
    };
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(parse)
        .collect()
}

fn number_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

fn numbers_or_null<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, f64>, D::Error> {
    let parts = BTreeMap::<String, Option<f64>>::deserialize(deserializer)?;
    Ok(parts
        .into_iter()
        .map(|(name, value)| (name, value.unwrap_or(f64::NAN)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_rewards::{BoxCoordinates, ImageSize};

    fn record() -> RolloutRecord {
        RolloutRecord {
            step: 3,
            prompt_id: "row-7".into(),
            draw: 2,
            prompt: "<image>How many?\n".into(),
            images: vec!["data/7.png".into()],
            answer: "2".into(),
            response: "<answer>2</answer>".into(),
            tokens: 4,
            finish_reason: "stop".into(),
            reward: 1.1,
            parts: BTreeMap::from([("accuracy".into(), 1.0), ("format".into(), 0.1)]),
            correct: Some(true),
            advantage: Some(-0.5),
            kept: true,
            context: RowContext {
                set: "geo".into(),
                images: vec![ImageSize {
                    original: [640, 480],
                    resized: [644, 476],
                }],
                coordinates: Some(BoxCoordinates::Resized),
                ..RowContext::default()
            },
        }
    }

    #[test]
    fn records_survive_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rollouts/step_000003.jsonl");
        let records = vec![
            record(),
            RolloutRecord {
                correct: None,
                advantage: None,
                ..record()
            },
        ];
        write_rollouts(&path, &records).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
        assert_eq!(read_rollouts(&path).unwrap(), records);
    }

    #[test]
    fn a_reward_that_is_not_finite_can_be_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.jsonl");
        let mut bad = record();
        bad.reward = f64::NAN;
        bad.parts.insert("accuracy".into(), f64::INFINITY);
        write_rollouts(&path, &[bad]).unwrap();
        let back = &read_rollouts(&path).unwrap()[0];
        assert!(back.reward.is_nan() && back.parts["accuracy"].is_nan());
    }

    #[test]
    fn a_bad_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.jsonl");
        fs::write(&path, "\n{}\n").unwrap();
        assert!(matches!(
            read_rollouts(&path),
            Err(RlError::Data { line: 2, .. })
        ));
    }
}
