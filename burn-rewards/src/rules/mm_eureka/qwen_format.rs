//! The format of MM-Eureka-Qwen-7B.

use super::{COMPAT, format::holds};
use crate::{Reward, RewardError, RewardFn, RewardInput, rules::Options};
use serde::{Deserialize, Serialize};

/// `value` where `<think>…</think><answer>…</answer>` stands in the response, each tag exactly
/// once and only white space between the two; else 0. Text before and after is allowed.
///
/// `format_reward_func` of `reward_func_qwen_instruct.py`. Thought and answer must not be
/// blank, unless `compat`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MmEurekaQwenFormat {
    /// What the format is worth.
    pub value: f64,
    /// Reproduces the original with its quirks.
    pub compat: bool,
}

impl Default for MmEurekaQwenFormat {
    fn default() -> Self {
        Self {
            value: 0.5,
            compat: false,
        }
    }
}

impl Options for MmEurekaQwenFormat {
    const NAME: &'static str = "mm_eureka_qwen_format";
    const PART: &'static str = "format";
    const RANGE: (f64, f64) = (0.0, 0.5);
    const ABOUT: &'static str =
        "<think>…</think><answer>…</answer> stands in the response, each tag once";
    const SOURCE: &'static str =
        "MM-Eureka-Qwen-7B, arXiv:2503.07365; reward_func_qwen_instruct.py, format";
    const OPTIONS: &'static [(&'static str, &'static str)] =
        &[("value", "what the format is worth"), COMPAT];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        crate::rules::at_least("value", self.value, 0.0)?;
        Ok(Box::new(self))
    }
}

impl RewardFn for MmEurekaQwenFormat {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let value = match holds(input.response, self.compat) {
            true => self.value,
            false => 0.0,
        };
        Ok(Reward::single(Self::PART, value, None))
    }

    fn part_names(&self) -> Vec<String> {
        vec![Self::PART.into()]
    }
}
