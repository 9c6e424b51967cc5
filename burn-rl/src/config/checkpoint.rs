//! What is kept to continue from.

use serde::{Deserialize, Serialize};

/// What is kept to continue from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointConfig {
    /// Steps between checkpoints; there is one after the last step in any case. 0 for no others.
    pub every: u64,
    /// How many are kept, the newest first.
    pub keep: usize,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self { every: 50, keep: 2 }
    }
}
