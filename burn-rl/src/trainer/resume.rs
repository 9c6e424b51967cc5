//! A run that goes on from its last checkpoint.

use crate::{
    checkpoint::{Found, MadeOf},
    config::RunConfig,
    data::{DataFingerprint, PromptSource},
    error::RlError,
    learner::{Learner, Policy, PolicyGradient},
    recipe::Recipe,
    rollout::{Collector, OtherRows},
};
use run_log::{diagnostics::Warning, run_dir::RunDir, step_log};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// What a run is continued with.
pub(super) struct Resume<'a, P: Policy> {
    pub learner: &'a mut PolicyGradient<P>,
    pub collector: &'a mut Collector,
    pub train: &'a mut dyn PromptSource,
    /// What is trained and measured on now.
    pub data: &'a BTreeMap<String, DataFingerprint>,
    pub other_rows: OtherRows,
    pub made_of: &'a MadeOf,
}

/// What the checkpoints of a run hold, by the setting that decides it.
pub(super) fn made_of(config: &RunConfig, recipe: &Recipe) -> MadeOf {
    let lora = &config.lora;
    let parts = [
        ("a critic (algo.name)", json!(recipe.critic().is_some())),
        ("lora.rank", json!(lora.rank)),
        ("lora.alpha", json!(lora.alpha)),
        ("lora.rslora", json!(lora.rslora)),
        ("lora.target_modules", json!(lora.target_modules)),
        ("lora.layers", json!(lora.layers)),
        ("model.freeze", json!(config.model.freeze)),
        (
            "an average of the weights (train.average_decay)",
            json!(config.train.average_decay > 0.0),
        ),
    ];
    parts
        .into_iter()
        .map(|(key, value)| (key.into(), value))
        .collect()
}

/// The steps before `done` whose numbers are no longer in the run's `metrics.jsonl`.
///
/// # Errors
/// A file that cannot be read.
pub(super) fn lost_numbers(run: &RunDir, done: u64) -> Result<Option<Warning>, RlError> {
    let path = run.metrics();
    let kept: BTreeSet<u64> = step_log::read(&path)?
        .iter()
        .map(|(step, _)| *step)
        .collect();
    let lost: Vec<u64> = (1..=done).filter(|step| !kept.contains(step)).collect();
    let (Some(first), Some(last)) = (lost.first(), lost.last()) else {
        return Ok(None);
    };
    let which = match lost.len() {
        1 => format!("step {first}"),
        n if n as u64 == last - first + 1 => format!("steps {first} to {last}"),
        n => format!("{n} steps from {first} to {last}"),
    };
    Ok(Some(Warning {
        step: done,
        name: "lost_numbers",
        finding: format!(
            "{} has no numbers of {which}, which were made",
            path.display()
        ),
        advice: "The run goes on without them; curves and warnings that look back miss them",
    }))
}

impl<P: Policy> Resume<'_, P> {
    /// Goes on from a checkpoint; gives the steps that are done and what a person should know.
    ///
    /// # Errors
    /// A checkpoint that cannot be used; data that are not those it was trained on, unless that is
    /// allowed.
    pub fn from(self, found: &Found) -> Result<(u64, Vec<Warning>), RlError> {
        if let Some(other) = found.state.made_of_others(self.made_of) {
            return Err(RlError::Config(format!(
                "--resume: {other}: a run goes on as what it was; for another, start a new one with \
                 model.path = {:?}",
                found.dir
            )));
        }
        let changed = found.state.changed_data(self.data);
        if !changed.is_empty() && self.other_rows == OtherRows::Refuse {
            return Err(RlError::Config(format!(
                "--resume: the data have changed since the run was saved ({}), so its place in them \
                 means other rows: put them back as they were, or go on with them on purpose with \
                 --accept-changed-data",
                changed.join("; ")
            )));
        }
        let model = Policy::reload(self.learner.model(), &found.dir)?;
        self.learner.restore(model, &found.dir)?;
        let (step, sampling) = (found.state.step, found.state.sampling.clone());
        let left_out = self
            .collector
            .restore(sampling, self.train, self.other_rows, &found.dir)?;
        let mut warnings = vec![];
        let mut warn = |name, finding, advice| {
            warnings.push(Warning {
                step,
                name,
                finding,
                advice,
            });
        };
        for finding in found.damaged.clone() {
            let advice = "The run goes on from the newest checkpoint that is whole; the steps after \
                          it are made again";
            warn("damaged_checkpoint", finding, advice);
        }
        for change in changed {
            let finding = format!("the data have changed since the run was saved: {change}");
            let advice = "Its place in them means other rows: some of this epoch come again, others \
                          never";
            warn("changed_data", finding, advice);
        }
        if left_out > 0 {
            let finding =
                format!("{left_out} groups that waited for an update belong to rows that changed");
            warn("changed_data", finding, "They are left out");
        }
        Ok((step, warnings))
    }
}
