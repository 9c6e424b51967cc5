//! Where a run stands, beside weights and moments.

use crate::{data::DataFingerprint, error::RlError, rollout::SamplingState};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path};

/// The file of it.
pub(super) const STATE: &str = "trainer_state.json";

/// The version that is written.
const FORMAT: u32 = 3;

/// Where a run stands. There is no random state: every draw is a function of seed, step, prompt and
/// draw.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainerState {
    /// Version of this format.
    pub format: u32,
    /// Steps done.
    pub step: u64,
    /// Seed of the run.
    pub seed: u64,
    /// Where sampling stands.
    pub sampling: SamplingState,
    /// What the run is trained and measured on, by the name of its section.
    pub data: BTreeMap<String, DataFingerprint>,
    /// What was saved, by the setting that decides it: a run goes on as what it was.
    pub made_of: MadeOf,
}

/// Settings that decide which tensors a checkpoint holds.
pub type MadeOf = BTreeMap<String, Value>;

impl TrainerState {
    /// The state after `step` steps.
    pub fn new(
        step: u64,
        seed: u64,
        sampling: SamplingState,
        data: BTreeMap<String, DataFingerprint>,
        made_of: MadeOf,
    ) -> Self {
        Self {
            format: FORMAT,
            step,
            seed,
            sampling,
            data,
            made_of,
        }
    }

    /// Reads the state of a checkpoint.
    ///
    /// # Errors
    /// A file that is missing, malformed or of another version.
    pub fn read(dir: &Path) -> Result<Self, RlError> {
        let path = dir.join(STATE);
        let bytes = fs::read(&path).map_err(|e| RlError::io(&path, e))?;
        let broken = |message: String| RlError::Checkpoint {
            path: path.clone(),
            message,
        };
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let found: Format = serde_json::from_slice(&bytes).map_err(|e| broken(e.to_string()))?;
        if found.format != FORMAT {
            return Err(broken(format!(
                "format is {}, expected {FORMAT}: continue it with the version that wrote it",
                found.format
            )));
        }
        serde_json::from_slice(&bytes).map_err(|e| broken(e.to_string()))
    }

    /// The first setting by which the checkpoint would not be of the run that goes on from it.
    pub fn made_of_others(&self, now: &MadeOf) -> Option<String> {
        let differs = |key: &&String| self.made_of.get(*key) != now.get(*key);
        let key = self.made_of.keys().find(differs)?;
        let of = |from: &MadeOf| from.get(key).cloned().unwrap_or_default();
        Some(match (of(&self.made_of), of(now)) {
            (Value::Bool(false), _) => format!("{key} is there, but the run was saved without"),
            (Value::Bool(true), _) => format!("the run was saved with {key}, which is not there"),
            (was, is) => format!("{key} is {is}, but the run was saved with {was}"),
        })
    }

    /// Everything that the run was trained or measured on and that is no longer as it was.
    pub fn changed_data(&self, now: &BTreeMap<String, DataFingerprint>) -> Vec<String> {
        let changed = |(name, was): (&String, &DataFingerprint)| {
            let found = was.difference(now.get(name)?)?;
            Some(format!("{name}: {found}"))
        };
        self.data.iter().filter_map(changed).collect()
    }
}
