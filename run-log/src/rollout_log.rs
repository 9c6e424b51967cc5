//! `rollouts/step_000001.jsonl` and `eval/<set>/step_000000.jsonl`: every completion with its
//! rewards, one JSON object a line.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::error::LogError;
use crate::files::write_atomic;

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
    /// Log-probability of each token under the policy, at the temperature at which it was learned
    /// from, in nats; none in files of older versions and of demonstrations.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "logprobs_or_null"
    )]
    pub logprobs: Vec<f32>,
    /// The same under the distribution it was drawn from: after penalty, temperature, top-k and
    /// top-p.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "logprobs_or_null"
    )]
    pub behaviour_logprobs: Vec<f32>,
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
    /// The mean advantage of its tokens that take part in the loss; none where it was not trained on
    /// in this step.
    #[serde(default)]
    pub advantage: Option<f64>,
    /// Whether it was trained on, or waits to be; a filter may have dropped it.
    pub kept: bool,
    /// What else the reward could look at, for whoever rewards it again; `null` where it is not
    /// known.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub context: Value,
}

/// Writes the records whole or not at all.
///
/// # Errors
/// [`LogError::Io`].
pub fn write_rollouts(path: &Path, records: &[RolloutRecord]) -> Result<(), LogError> {
    let mut text = Vec::new();
    for record in records {
        serde_json::to_writer(&mut text, record).map_err(|e| LogError::io(path, e.into()))?;
        text.push(b'\n');
    }
    write_atomic(path, &text)
}

/// Reads what [`write_rollouts`] wrote.
///
/// # Errors
/// [`LogError::Io`] if the file cannot be read, [`LogError::Line`] with the line that is no record.
pub fn read_rollouts(path: &Path) -> Result<Vec<RolloutRecord>, LogError> {
    let text = fs::read_to_string(path).map_err(|e| LogError::io(path, e))?;
    let parse = |(index, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|e| LogError::Line {
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

fn logprobs_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
    let numbers: Vec<Option<f32>> = Vec::deserialize(deserializer)?;
    Ok(numbers.into_iter().map(|x| x.unwrap_or(f32::NAN)).collect())
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

    fn record() -> RolloutRecord {
        RolloutRecord {
            logprobs: vec![-0.5, -1.25],
            behaviour_logprobs: vec![-0.25, 0.0],
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
            context: serde_json::json!({"set": "geo", "coordinates": "resized"}),
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
            Err(LogError::Line { line: 2, .. })
        ));
    }
}
