//! Accuracy by the math verifier.

use super::Options;
use crate::{
    Reward, RewardError, RewardFn, RewardInput,
    extract::{is_blank, last_answer_tag},
    math::{self, Gold, Profile, Verdict, Verifier},
};
use serde::{Deserialize, Serialize};

/// `correct` where the response's answer equals the gold answer by the rules of a grader, else
/// `wrong`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Math {
    /// The grader.
    pub profile: Profile,
    /// Where the answer is looked for.
    pub answer_in: AnswerIn,
    /// Value of a right answer.
    pub correct: f64,
    /// Value of a wrong one.
    pub wrong: f64,
    /// Decimals to which both sides are rounded when one of them is a decimal number.
    pub float_rounding: u32,
    /// Significant digits that must agree where a decimal stands inside a larger expression.
    pub numeric_precision: u32,
    /// Whether variable names matter.
    pub strict: bool,
    /// Whether an inequality answers a gold interval.
    pub allow_set_relation_comp: bool,
    /// Reproduces the program that `profile` is named after, faults included.
    pub compat: bool,
}

/// Where in a response the answer is looked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerIn {
    /// Anywhere.
    #[default]
    Response,
    /// In the last `<answer>`; a response without one is wrong.
    AnswerTag,
    /// After the last `</think>`; a response without one is wrong.
    AfterThink,
}

impl AnswerIn {
    /// The part of the response in which the answer is looked for, if it is there.
    pub fn of(self, response: &str) -> Option<&str> {
        match self {
            Self::Response => Some(response),
            Self::AnswerTag => last_answer_tag(response),
            Self::AfterThink => Some(response.rsplit_once("</think>")?.1),
        }
    }
}

impl Default for Math {
    fn default() -> Self {
        let options = math::Options::default();
        Self {
            profile: Profile::default(),
            answer_in: AnswerIn::default(),
            correct: 1.0,
            wrong: 0.0,
            float_rounding: options.float_rounding,
            numeric_precision: options.numeric_precision,
            strict: options.strict,
            allow_set_relation_comp: options.allow_set_relation_comp,
            compat: options.compat,
        }
    }
}

impl Options for Math {
    const NAME: &'static str = "math";
    const PART: &'static str = "accuracy";
    const RANGE: (f64, f64) = (0.0, 1.0);
    const ABOUT: &'static str = "the answer equals the gold answer as mathematics";
    const SOURCE: &'static str =
        "math-verify 0.9.0 (Hugging Face) and the other graders of math-verifier.md, by `profile`";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[
        (
            "profile",
            "the grader: `math_verify`, `boxed0`, `latex`, `expr`, `string`, `verl`, `trl`, \
             `dapo`, `hendrycks`, `gsm8k`, `prm800k` or `qwen_simplerl`",
        ),
        (
            "answer_in",
            "where the answer is looked for: `response`, `answer_tag` or `after_think`",
        ),
        ("correct", "value of a right answer"),
        ("wrong", "value of a wrong answer"),
        (
            "float_rounding",
            "decimals that count when one side is a decimal number",
        ),
        (
            "numeric_precision",
            "significant digits that count where a decimal stands in a larger expression",
        ),
        ("strict", "whether variable names matter"),
        (
            "allow_set_relation_comp",
            "whether an inequality answers a gold interval",
        ),
        (
            "compat",
            "reproduces the program that `profile` is named after, faults included",
        ),
    ];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        if !(self.correct.is_finite() && self.wrong.is_finite()) {
            return Err("options `correct` and `wrong`: expected finite numbers".into());
        }
        let verifier = Verifier::with_options(self.profile, self.compare());
        Ok(Box::new(MathReward {
            options: self,
            verifier,
        }))
    }
}

impl Math {
    /// How values are compared.
    pub fn compare(&self) -> math::Options {
        math::Options {
            float_rounding: self.float_rounding,
            numeric_precision: self.numeric_precision,
            strict: self.strict,
            allow_set_relation_comp: self.allow_set_relation_comp,
            compat: self.compat,
        }
    }
}

struct MathReward {
    options: Math,
    verifier: Verifier,
}

/// Parses a gold answer for the rule `rule`.
pub(super) fn usable(rule: &str, verifier: &Verifier, answer: &str) -> Result<Gold, RewardError> {
    let error = |reason: String| RewardError::gold(rule, answer, reason);
    if is_blank(answer) {
        return Err(error("expected a text that is not empty".into()));
    }
    verifier
        .parse_gold(answer)
        .map_err(|e| error(e.reason.to_string()))
}

impl RewardFn for MathReward {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let gold = usable(Math::NAME, &self.verifier, input.answer)?;
        let answer = self.options.answer_in.of(input.response);
        let verdict = answer.map(|text| self.verifier.verify_gold(&gold, text).verdict);
        let correct = verdict == Some(Verdict::Equal);
        let value = match correct {
            true => self.options.correct,
            false => self.options.wrong,
        };
        Ok(Reward::single(Math::PART, value, Some(correct)))
    }

    fn part_names(&self) -> Vec<String> {
        vec![Math::PART.into()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn scored(options: serde_json::Value, response: &str) -> Reward {
        let rule: Math = serde_json::from_value(options).unwrap();
        rule.build()
            .unwrap()
            .score(&RewardInput::new(response, "$2$"))
            .unwrap()
    }

    #[test]
    fn the_values_and_the_place_of_the_answer_are_options() {
        let dapo = json!({"correct": 1.0, "wrong": -1.0});
        assert_eq!(scored(dapo.clone(), r"$\boxed{2}$").value, 1.0);
        assert_eq!(scored(dapo, r"$\boxed{3}$").value, -1.0);
        let tag = json!({"answer_in": "answer_tag"});
        assert_eq!(
            scored(tag.clone(), "$3$ <answer>$2$</answer> $4$").value,
            1.0
        );
        assert_eq!(scored(tag, "$2$").correct, Some(false));
        let after = json!({"answer_in": "after_think"});
        assert_eq!(scored(after.clone(), "<think>$3$</think> $2$").value, 1.0);
        assert_eq!(scored(after, "<think>$2$").value, 0.0);
    }

    #[test]
    fn the_profiles_of_the_documentation_are_those_there_are() {
        let about = Math::OPTIONS[0].1;
        for name in Profile::names() {
            assert!(about.contains(&format!("`{name}`")), "{name}");
        }
    }
}
