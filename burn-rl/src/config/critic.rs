//! The critic of algorithms that have one.

use super::OptimConfig;
use burn_vlm::ValueInit;
use serde::{Deserialize, Serialize};

/// A second model that says what a state is worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct CriticConfig {
    /// A Hugging Face model directory, with a value head or without; empty for the policy's own.
    pub model: String,
    /// Whether a fresh value head has a bias.
    pub bias: bool,
    /// How a fresh value head is drawn.
    pub init: ValueInit,
    /// Its optimiser, which has a schedule of its own.
    pub optim: OptimConfig,
}

impl Default for CriticConfig {
    /// Head and rate are OpenRLHF's.
    fn default() -> Self {
        Self {
            model: String::new(),
            bias: false,
            init: ValueInit::Normal,
            optim: OptimConfig {
                lr: 9e-6,
                ..OptimConfig::default()
            },
        }
    }
}
