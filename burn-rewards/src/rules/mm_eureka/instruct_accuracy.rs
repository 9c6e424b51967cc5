//! The accuracy of MM-Eureka-8B (InternVL2.5-Instruct).

use super::{
    COMPAT,
    accuracy::{GoldText, judge, judge_compat},
};
use crate::{Reward, RewardError, RewardFn, RewardInput, rules::Options};
use serde::{Deserialize, Serialize};

/// 1 where the last `<answer>` (without one: what follows an `<answer>` that is not closed, else
/// the whole response) equals the gold answer as mathematics, or names its option; else 0.
///
/// `accuracy_reward_func` of `reward_func_internvl_instruct.py`. Not kept, unless `compat`: an
/// unparsable gold answer pays 1, `<answer>` must stand in one line, option letters are found
/// inside words, and the verifier has gold answer and response swapped.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MmEurekaInstructAccuracy {
    /// Reproduces the original with its quirks.
    pub compat: bool,
}

impl Options for MmEurekaInstructAccuracy {
    const NAME: &'static str = "mm_eureka_instruct_accuracy";
    const PART: &'static str = "accuracy";
    const RANGE: (f64, f64) = (0.0, 1.0);
    const ABOUT: &'static str = "<answer> equals the gold answer, or names its option A–D";
    const SOURCE: &'static str =
        "MM-Eureka-8B, arXiv:2503.07365; reward_func_internvl_instruct.py, accuracy";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[COMPAT];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        Ok(Box::new(self))
    }
}

impl RewardFn for MmEurekaInstructAccuracy {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let (answer, response) = (input.answer, input.response);
        let correct = match self.compat {
            true => judge_compat(GoldText::Plain, answer, response),
            false => judge(Self::NAME, GoldText::Plain, answer, response)?,
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
