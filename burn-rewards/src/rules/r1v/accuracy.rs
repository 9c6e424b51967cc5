//! The accuracy of R1-V.

use crate::{
    Reward, RewardError, RewardFn, RewardInput,
    extract::{first_line_answer_tag, is_blank, last_answer_tag, python_strip},
    math::{Options as Compare, ParseConfig, Profile, Verifier},
    rules::Options,
};
use serde::{Deserialize, Serialize};

/// 1 where the answer equals the gold answer as mathematics or letter by letter, else 0.
///
/// `accuracy_reward`. The answer is the last `<answer>`, else the whole response, for base models
/// are never told of the tag; the gold answer may stand in `<answer>` itself. Not kept, unless
/// `compat`: a number of the reasoning counts although the tag says something else, `<answer>`
/// must stand in one line, and the verifier has gold answer and response swapped.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct R1vAccuracy {
    /// Whether a response without `<answer>` is wrong.
    pub require_tag: bool,
    /// Reproduces the original with its quirks.
    pub compat: bool,
}

impl Options for R1vAccuracy {
    const NAME: &'static str = "r1v_accuracy";
    const PART: &'static str = "accuracy";
    const RANGE: (f64, f64) = (0.0, 1.0);
    const ABOUT: &'static str = "the answer equals the gold answer as mathematics or as text";
    const SOURCE: &'static str = "R1-V, open_r1/grpo.py accuracy_reward";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[
        (
            "require_tag",
            "whether a response without <answer> is wrong",
        ),
        ("compat", "reproduces the original with its quirks"),
    ];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        match self.require_tag && self.compat {
            true => Err("options `require_tag` and `compat` exclude each other".into()),
            false => Ok(Box::new(self)),
        }
    }
}

/// What was compared, for the rules that look at it again.
pub(in crate::rules) struct Judged<'a> {
    pub gold: &'a str,
    pub answer: &'a str,
    pub correct: bool,
}

/// The rule without its quirks.
///
/// # Errors
/// A blank gold answer.
pub(in crate::rules) fn judge<'a>(
    rule: &str,
    input: &RewardInput<'a>,
    require_tag: bool,
) -> Result<Option<Judged<'a>>, RewardError> {
    let gold = last_answer_tag(input.answer).unwrap_or(input.answer).trim();
    if is_blank(gold) {
        let expected = "expected a text that is not empty";
        return Err(RewardError::gold(rule, input.answer, expected));
    }
    let answer = match last_answer_tag(input.response) {
        Some(inner) => inner,
        None if require_tag => return Ok(None),
        None => input.response.trim(),
    };
    let math = Verifier::new(Profile::MathVerify);
    let correct = answer == gold || math.verify(gold, answer).is_equal();
    Ok(Some(Judged {
        gold,
        answer,
        correct,
    }))
}

/// The original.
pub(in crate::rules) fn judge_compat<'a>(input: &RewardInput<'a>) -> Judged<'a> {
    let part = |text: &'a str| python_strip(first_line_answer_tag(text).unwrap_or(text));
    let (gold, answer) = (part(input.answer), part(input.response));
    let python = ParseConfig::default().like_python();
    let swapped = Verifier::custom(python.clone(), python, Compare::default());
    let correct = swapped.verify(input.response, input.answer).is_equal() || answer == gold;
    Judged {
        gold,
        answer,
        correct,
    }
}

impl RewardFn for R1vAccuracy {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let correct = match self.compat {
            true => judge_compat(input).correct,
            false => judge(Self::NAME, input, self.require_tag)?.is_some_and(|j| j.correct),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn value(rule: &R1vAccuracy, response: &str, gold: &str) -> f64 {
        rule.score(&RewardInput::new(response, gold)).unwrap().value
    }

    #[test]
    fn the_tag_decides_where_there_is_one() {
        let rule = R1vAccuracy::default();
        assert_eq!(
            value(&rule, "<answer>3</answer>", "<answer> 3 </answer>"),
            1.0
        );
        assert_eq!(
            value(&rule, "<answer>\nyes\n</answer>", "yes"),
            1.0,
            "several lines"
        );
        assert_eq!(value(&rule, "3 <answer>4</answer>", "3"), 0.0);
        assert_eq!(value(&rule, "yes", "yes"), 1.0);
        let strict = R1vAccuracy {
            require_tag: true,
            ..rule
        };
        assert_eq!(value(&strict, "yes", "yes"), 0.0);
        assert!(
            strict
                .check_gold(&RewardInput::new("", "<answer> </answer>"))
                .is_err()
        );
        let both = R1vAccuracy {
            compat: true,
            ..strict
        };
        assert!(both.build().is_err());
    }

    #[test]
    fn the_original_wants_the_answer_in_one_line() {
        let rule = R1vAccuracy {
            compat: true,
            ..R1vAccuracy::default()
        };
        assert_eq!(value(&rule, "<answer>yes</answer>", "yes"), 1.0);
        assert_eq!(value(&rule, "<answer>\nyes\n</answer>", "yes"), 0.0);
    }
}
