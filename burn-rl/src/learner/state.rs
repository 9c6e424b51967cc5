//! What a learner carries from step to step beside weights and moments.

use crate::{error::RlError, types::CarriedState};
use serde::{Deserialize, Serialize};
use std::{fs, path::Path};

const FILE: &str = "learner_state.json";

/// A few numbers; part of a checkpoint. Floats are kept by their bits: a resumed run continues to
/// the last of them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct LearnerState {
    /// What advantages carry from step to step.
    pub carried: CarriedState,
    /// Updates in a row whose gradients were not finite.
    pub skipped_in_a_row: u64,
    /// The same of the critic.
    pub critic_skipped_in_a_row: u64,
    /// The step at which the reference was last renewed; 0 for never.
    pub reference_step: u64,
    /// Demonstrations drawn so far.
    pub demonstrated: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    reward_average: Option<u64>,
    kl_coef: Option<u64>,
    skipped_in_a_row: u64,
    #[serde(default)]
    critic_skipped_in_a_row: u64,
    reference_step: u64,
    demonstrated: u64,
}

impl LearnerState {
    /// Writes the state into a directory.
    pub fn save(&self, dir: &Path) -> Result<(), RlError> {
        let path = dir.join(FILE);
        let saved = Saved {
            reward_average: self.carried.reward_average.map(f64::to_bits),
            kl_coef: self.carried.kl_coef.map(f64::to_bits),
            skipped_in_a_row: self.skipped_in_a_row,
            critic_skipped_in_a_row: self.critic_skipped_in_a_row,
            reference_step: self.reference_step,
            demonstrated: self.demonstrated,
        };
        let json = serde_json::to_string_pretty(&saved).map_err(std::io::Error::other);
        json.and_then(|json| fs::write(&path, json))
            .map_err(|e| RlError::io(&path, e))
    }

    /// Reads what [`save`](Self::save) wrote.
    pub fn load(dir: &Path) -> Result<Self, RlError> {
        let path = dir.join(FILE);
        let bytes = fs::read(&path).map_err(|e| RlError::io(&path, e))?;
        let saved: Saved = serde_json::from_slice(&bytes).map_err(|e| RlError::Checkpoint {
            path: path.clone(),
            message: e.to_string(),
        })?;
        Ok(Self {
            carried: CarriedState {
                reward_average: saved.reward_average.map(f64::from_bits),
                kl_coef: saved.kl_coef.map(f64::from_bits),
            },
            skipped_in_a_row: saved.skipped_in_a_row,
            critic_skipped_in_a_row: saved.critic_skipped_in_a_row,
            reference_step: saved.reference_step,
            demonstrated: saved.demonstrated,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_the_file_to_the_bit() {
        let dir = tempfile::tempdir().unwrap();
        let state = LearnerState {
            carried: CarriedState {
                reward_average: Some(0.1 + 0.2),
                kl_coef: Some(1.0 / 3.0),
            },
            skipped_in_a_row: 2,
            critic_skipped_in_a_row: 3,
            reference_step: 7,
            demonstrated: 24,
        };
        state.save(dir.path()).unwrap();
        assert_eq!(LearnerState::load(dir.path()).unwrap(), state);
    }
}
