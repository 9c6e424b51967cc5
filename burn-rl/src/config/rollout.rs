//! How completions are sampled.

use burn_vlm::generate::Sampling;
use serde::{Deserialize, Serialize};

/// How completions are sampled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RolloutConfig {
    /// Prompts in a step.
    pub prompts_per_step: usize,
    /// Completions of each prompt.
    pub samples_per_prompt: usize,
    /// Most sequences that are decoded together.
    pub max_batch: usize,
    /// How tokens are drawn.
    pub sampling: Sampling,
}

impl Default for RolloutConfig {
    fn default() -> Self {
        Self {
            prompts_per_step: 32,
            samples_per_prompt: 8,
            max_batch: 256,
            sampling: Sampling::default(),
        }
    }
}
