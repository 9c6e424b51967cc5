//! The accuracy of MM-Eureka-Qwen-7B.

use super::{
    COMPAT,
    accuracy::{GoldText, judge, judge_compat},
};
use crate::{Reward, RewardError, RewardFn, RewardInput, rules::Options};
use serde::{Deserialize, Serialize};

/// As [`super::MmEurekaInstructAccuracy`], with the gold answer read as the content of `$…$`: the
/// Qwen data have bare LaTeX.
///
/// `accuracy_reward_func` of `reward_func_qwen_instruct.py`, with the same quirks left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MmEurekaQwenAccuracy {
    /// Reproduces the original with its quirks.
    pub compat: bool,
}

impl Options for MmEurekaQwenAccuracy {
    const NAME: &'static str = "mm_eureka_qwen_accuracy";
    const PART: &'static str = "accuracy";
    const RANGE: (f64, f64) = (0.0, 1.0);
    const ABOUT: &'static str =
        "<answer> equals the gold answer read as LaTeX, or names its option A–D";
    const SOURCE: &'static str =
        "MM-Eureka-Qwen-7B, arXiv:2503.07365; reward_func_qwen_instruct.py, accuracy";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[COMPAT];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        Ok(Box::new(self))
    }
}

impl RewardFn for MmEurekaQwenAccuracy {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let (answer, response) = (input.answer, input.response);
        let correct = match self.compat {
            true => judge_compat(GoldText::Wrapped, answer, response),
            false => judge(Self::NAME, GoldText::Wrapped, answer, response)?,
        };
        Ok(Reward::verdict(Self::PART, correct))
    }

    fn needs_answer(&self, _row: &RewardInput<'_>) -> bool {
        true
    }

    fn part_names(&self) -> Vec<String> {
        vec![Self::PART.into()]
    }
}
