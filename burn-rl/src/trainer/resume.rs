//! A run that goes on from its last checkpoint.

use crate::{
    checkpoint::{self, Found, MadeOf},
    config::RunConfig,
    data::{DataFingerprint, PromptSource},
    error::RlError,
    learner::{Learner, Policy, PolicyGradient},
    recipe::Recipe,
    rollout::{Collector, OtherRows},
    run_dir::RunDir,
};
use run_log::diagnostics::Warning;
use serde_json::json;
use std::collections::BTreeMap;

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
        ("a critic", json!(recipe.critic().is_some())),
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

impl<P: Policy> Resume<'_, P> {
    /// Goes on from the newest whole checkpoint of a run of this seed; gives the steps that are done
    /// and what a person should know. A run that saved nothing begins at step 0.
    ///
    /// # Errors
    /// A checkpoint that cannot be used; data that are not those it was trained on, unless that is
    /// allowed.
    pub fn from(self, run: &RunDir, seed: u64) -> Result<(u64, Vec<Warning>), RlError> {
        let Some(found) = checkpoint::last(run, seed)? else {
            return Ok((0, vec![]));
        };
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
        checkpoint::go_on_from(run, &found)?;
        let Found {
            dir,
            state,
            damaged,
        } = found;
        let (step, sampling) = (state.step, state.sampling);
        let left_out = self
            .collector
            .restore(sampling, self.train, self.other_rows, &dir)?;
        let mut warnings = vec![];
        let mut warn = |name, finding, advice| {
            warnings.push(Warning {
                step,
                name,
                finding,
                advice,
            });
        };
        for finding in damaged {
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
