//! Groups as they are logged.

use crate::types::{Group, Rollout};
use burn_vlm::generate::FinishReason;
use run_log::RolloutRecord;
use std::path::Path;

/// A group as it is logged; `advantages` are by draw, if there are any.
pub fn records(
    group: &Group,
    step: u64,
    kept: bool,
    advantages: &[Option<f64>],
) -> Vec<RolloutRecord> {
    // Only a map whose keys are no strings could fail.
    let context = serde_json::to_value(&group.prompt.context).unwrap_or_default();
    let record = |(index, rollout): (usize, &Rollout)| RolloutRecord {
        step,
        prompt_id: group.prompt.id.clone(),
        draw: group.first_draw as usize + index,
        prompt: group.prompt.text.clone(),
        images: group
            .prompt
            .images
            .iter()
            .map(|path| absolute(path))
            .collect(),
        answer: group.prompt.answer.clone(),
        response: rollout.text.clone(),
        tokens: rollout.tokens.len(),
        logprobs: rollout.logprobs.clone(),
        behaviour_logprobs: rollout.behaviour_logprobs.clone(),
        finish_reason: match rollout.finish {
            FinishReason::Stop => "stop".into(),
            FinishReason::Length => "length".into(),
        },
        reward: rollout.reward.value,
        parts: rollout.reward.parts.iter().cloned().collect(),
        correct: rollout.reward.correct,
        advantage: advantages.get(index).copied().flatten(),
        kept,
        context: context.clone(),
    };
    group.rollouts.iter().enumerate().map(record).collect()
}

/// The path from the root of the file system; as it is where the system cannot say.
fn absolute(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
    absolute.to_string_lossy().into_owned()
}

/// Makes pictures inside the run directory relative to it, so that the directory can be moved.
pub fn make_portable(records: &mut [RolloutRecord], root: &Path) {
    let root = absolute(root);
    for image in records.iter_mut().flat_map(|record| &mut record.images) {
        if let Ok(inside) = Path::new(image.as_str()).strip_prefix(&root) {
            *image = inside.to_string_lossy().into_owned();
        }
    }
}
