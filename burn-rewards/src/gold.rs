//! Gold answers that cannot be used.

use serde::{Deserialize, Serialize};

/// What becomes of a response whose gold answer a rule cannot use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnUnparsableGold {
    /// It is an error that names file and line.
    #[default]
    Error,
    /// The data row is left out and counted.
    Skip,
    /// The rule's value is 0 and the answer counts as wrong.
    Zero,
}
