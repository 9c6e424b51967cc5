//! How completions are sampled.

use crate::types::StopTexts;
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
    /// Stop strings: texts, as `</answer>`, that end a completion as a stop token does. What is
    /// rewarded is the text before the string; what is learned from are all of its tokens, of which
    /// the last may go beyond it.
    pub stop: Vec<String>,
    /// Whether the stop string is part of the text that is rewarded.
    pub include_stop_string: bool,
}

impl RolloutConfig {
    /// The stop strings.
    pub fn stop_texts(&self) -> StopTexts {
        StopTexts {
            strings: self.stop.clone().into(),
            include: self.include_stop_string,
        }
    }
}

impl Default for RolloutConfig {
    fn default() -> Self {
        Self {
            prompts_per_step: 32,
            samples_per_prompt: 8,
            max_batch: 256,
            sampling: Sampling::default(),
            stop: vec![],
            include_stop_string: false,
        }
    }
}
