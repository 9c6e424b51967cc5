//! How completions are sampled.

use crate::{error::RlError, types::StopTexts};
use burn_vlm::generate::{Limits, Sampling};
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
    /// Most positions of keys and values that are held at a time: of each prompt once for all of
    /// its sequences, and room for all new tokens of each. What does not fit waits its turn.
    pub max_tokens: usize,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Stop strings: texts, as `</answer>`, that end a completion as a stop token does. What is
    /// rewarded is the text before the string; what is learned from are all of its tokens, of which
    /// the last may go beyond it.
    pub stop: Vec<String>,
    /// Whether the stop string is part of the text that is rewarded.
    pub include_stop_string: bool,
}

impl Default for RolloutConfig {
    fn default() -> Self {
        Self {
            prompts_per_step: 32,
            samples_per_prompt: 8,
            max_batch: 256,
            max_tokens: 1 << 18,
            sampling: Sampling::default(),
            stop: vec![],
            include_stop_string: false,
        }
    }
}

impl RolloutConfig {
    /// The stop strings.
    pub fn stop_texts(&self) -> StopTexts {
        StopTexts {
            strings: self.stop.clone().into(),
            include: self.include_stop_string,
        }
    }

    /// What bounds a generation call.
    pub fn limits(&self) -> Limits {
        Limits {
            max_batch: self.max_batch,
            max_tokens: self.max_tokens,
        }
    }

    /// Refuses a budget in which the longest sequence has no room. `max_new_tokens` is that of the
    /// setting named `key`.
    pub(super) fn check_room(
        &self,
        max_prompt_tokens: usize,
        key: &str,
        max_new_tokens: usize,
    ) -> Result<(), RlError> {
        let (most, needed) = (
            self.max_tokens,
            max_prompt_tokens.saturating_add(max_new_tokens),
        );
        if needed <= most {
            return Ok(());
        }
        Err(RlError::Config(format!(
            "rollout.max_tokens is {most}, expected at least {needed}: data.max_prompt_tokens \
             ({max_prompt_tokens}) and {key} ({max_new_tokens})"
        )))
    }
}
