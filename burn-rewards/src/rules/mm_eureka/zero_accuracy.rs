//! The accuracy of MM-Eureka-Zero-38B (InternVL2.5-Pretrained).

use super::{COMPAT, accuracy::with_choices};
use crate::{
    Reward, RewardError, RewardFn, RewardInput,
    extract::{is_blank, last_box, python_strip},
    math::{Options as Compare, Verifier},
    rules::Options,
};
use serde::{Deserialize, Serialize};

/// 1 where the last `\boxed{}` equals the gold answer, as a string or as mathematics, else 0.
///
/// `accuracy_reward_func` of `reward_func_internvl_pretrain.py`. The gold answer may be boxed
/// itself. Not kept, unless `compat`: a response without a box equals an empty gold answer, and
/// strings are compared with the box around only one of them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MmEurekaZeroAccuracy {
    /// Reproduces the original with its quirks.
    pub compat: bool,
}

impl Options for MmEurekaZeroAccuracy {
    const NAME: &'static str = "mm_eureka_zero_accuracy";
    const PART: &'static str = "accuracy";
    const RANGE: (f64, f64) = (0.0, 1.0);
    const ABOUT: &'static str = "the last \\boxed{} equals the gold answer";
    const SOURCE: &'static str =
        "MM-Eureka-Zero-38B, arXiv:2503.07365; reward_func_internvl_pretrain.py, accuracy";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[COMPAT];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        Ok(Box::new(self))
    }
}

fn judge(answer: &str, response: &str) -> bool {
    let Some((boxed, content)) = last_box(response) else {
        return false;
    };
    let gold = last_box(answer).map_or(answer, |(_, content)| content);
    let verifier = Verifier::custom(with_choices(), with_choices(), Compare::default());
    let gold_boxed = format!("\\boxed{{{gold}}}");
    gold.trim() == content.trim() || verifier.verify(&gold_boxed, boxed).is_equal()
}

fn judge_compat(answer: &str, response: &str) -> bool {
    let boxed = last_box(response).map_or("", |(boxed, _)| python_strip(boxed));
    let python = with_choices().like_python();
    let verifier = Verifier::custom(python.clone(), python, Compare::default());
    boxed == answer || verifier.verify(answer, boxed).is_equal()
}

impl RewardFn for MmEurekaZeroAccuracy {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let (answer, response) = (input.answer, input.response);
        if self.compat {
            return Ok(Reward::verdict(Self::PART, judge_compat(answer, response)));
        }
        if is_blank(answer) {
            let expected = "expected a text that is not empty";
            return Err(RewardError::gold(Self::NAME, answer, expected));
        }
        Ok(Reward::verdict(Self::PART, judge(answer, response)))
    }

    fn needs_answer(&self, _row: &RewardInput<'_>) -> bool {
        true
    }

    fn part_names(&self) -> Vec<String> {
        vec![Self::PART.into()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_box_decides() {
        assert!(judge("not possible", r"\boxed{1} \boxed{not possible}"));
        assert!(!judge("1", r"\boxed{1} \boxed{2}"));
        assert!(!judge("1", "1"));
        assert!(judge(r"\boxed{1}", r"$\boxed{ 1 }$"));
        assert!(judge(r"\frac{1}{2}", r"\boxed{0.5}"));
    }

    #[test]
    fn nothing_equals_nothing_only_in_the_original() {
        let rule = |compat| MmEurekaZeroAccuracy { compat };
        let input = RewardInput::new("no box", "");
        assert!(rule(false).score(&input).is_err());
        assert_eq!(rule(true).score(&input).unwrap().value, 1.0);
    }
}
