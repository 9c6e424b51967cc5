//! Measuring a policy: greedy completions of held-out rows.

use crate::{
    error::RlError,
    metrics::{Metrics, rollout_log::RolloutRecord},
    rollout::{self, RolloutEngine},
    types::{Group, Prompt, Rollout},
};
use burn_rewards::RewardFn;
use burn_vlm::generate::FinishReason;
use std::{path::Path, sync::Arc};

/// What an evaluation found.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// `eval/<set>/…` numbers.
    pub metrics: Metrics,
    /// Every completion with its reward.
    pub records: Vec<RolloutRecord>,
}

/// Completes every prompt once and scores the completions.
///
/// The engine's sampling parameters decide; a greedy engine makes `pass@1` the greedy accuracy.
///
/// # Errors
/// A prompt that does not fit the model, or a rule that cannot judge.
pub fn evaluate(
    set: &str,
    engine: &dyn RolloutEngine,
    prompts: &[Arc<Prompt>],
    rule: &dyn RewardFn,
    step: u64,
    finished: &mut dyn FnMut(usize),
) -> Result<Evaluation, RlError> {
    let mut groups = engine.generate(prompts, 1, step, finished)?;
    rollout::reward(&mut groups, rule)?;
    let rollouts: Vec<&Rollout> = groups.iter().flat_map(|g| &g.rollouts).collect();
    let mean = |f: &dyn Fn(&Rollout) -> f64| {
        rollouts.iter().map(|r| f(r)).sum::<f64>() / rollouts.len().max(1) as f64
    };
    let share = |yes: bool| f64::from(u8::from(yes));
    let mut metrics = Metrics::new();
    let mut set_metric = |name: &str, value| metrics.set(format!("eval/{set}/{name}"), value);
    set_metric("pass@1", mean(&|r| share(r.reward.correct == Some(true))));
    set_metric("reward", mean(&|r| r.reward.value));
    set_metric("tokens", mean(&|r| r.tokens.len() as f64));
    set_metric(
        "truncated",
        mean(&|r| share(r.finish == FinishReason::Length)),
    );
    let records = groups
        .iter()
        .flat_map(|g| records(g, step, true, &[]))
        .collect();
    Ok(Evaluation { metrics, records })
}

/// A group as it is logged; `advantages` are by draw, if there are any.
pub fn records(group: &Group, step: u64, kept: bool, advantages: &[f32]) -> Vec<RolloutRecord> {
    let record = |(draw, rollout): (usize, &Rollout)| RolloutRecord {
        step,
        prompt_id: group.prompt.id.clone(),
        draw,
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
        finish_reason: match rollout.finish {
            FinishReason::Stop => "stop".into(),
            FinishReason::Length => "length".into(),
        },
        reward: rollout.reward.value,
        parts: rollout.reward.parts.iter().cloned().collect(),
        correct: rollout.reward.correct,
        advantage: advantages.get(draw).map(|a| f64::from(*a)),
        kept,
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
