//! The reward of SimpleRL-Zoo.

use super::{Options, simple_rl_box::is_boxed};
use crate::{
    Reward, RewardError, RewardFn, RewardInput,
    math::{Profile, Verifier, qwen_answer},
};
use serde::{Deserialize, Serialize};

/// With `mix`, 1 for a right answer and 0 for a wrong one, boxed or not: rigid formats hurt weak
/// base models. With `independent`, 1 right and boxed, 0.5 right, −0.5 wrong but boxed, and
/// `format_penalty` otherwise.
///
/// `hf_math_verify.py` of hkust-nlp/simpleRL-reason v1 (arXiv:2503.18892): the answer is found by
/// Qwen2.5-Math's rules, put into a box like the gold answer, and compared by math-verify.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimpleRlZoo {
    /// How answer and box count.
    pub mode: ZooMode,
    /// Value of a wrong answer without a box, where they count independently.
    pub format_penalty: f64,
}

/// How answer and box count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ZooMode {
    /// Only the answer.
    #[default]
    Mix,
    /// Each on its own.
    Independent,
}

impl Default for SimpleRlZoo {
    fn default() -> Self {
        Self {
            mode: ZooMode::Mix,
            format_penalty: -1.0,
        }
    }
}

impl Options for SimpleRlZoo {
    const NAME: &'static str = "simple_rl_zoo";
    const PART: &'static str = "accuracy";
    const RANGE: (f64, f64) = (0.0, 1.0);
    const ABOUT: &'static str = "the answer alone, or answer and box independently (−1 to 1)";
    const SOURCE: &'static str = "SimpleRL-Zoo, arXiv:2503.18892; reward_score/hf_math_verify.py";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[
        (
            "mode",
            "`mix`: right or wrong; `independent`: 1, 0.5, −0.5 or `format_penalty`",
        ),
        ("format_penalty", "value of a wrong answer without a box"),
    ];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        if !self.format_penalty.is_finite() {
            return Err("option `format_penalty`: expected a finite number".into());
        }
        let verifier = Verifier::new(Profile::MathVerify);
        Ok(Box::new(Zoo {
            options: self,
            verifier,
        }))
    }
}

struct Zoo {
    options: SimpleRlZoo,
    verifier: Verifier,
}

fn boxed(answer: &str) -> String {
    format!("\\boxed{{{answer}}}")
}

impl RewardFn for Zoo {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let error = |reason: &str| RewardError::gold(SimpleRlZoo::NAME, input.answer, reason);
        if input.answer.trim().is_empty() {
            return Err(error("expected a text that is not empty"));
        }
        let gold = self.verifier.parse_gold(&boxed(input.answer));
        let gold = gold.map_err(|e| error(&e.reason.to_string()))?;
        let right = qwen_answer(input.response)
            .is_some_and(|answer| self.verifier.verify_gold(&gold, &boxed(&answer)).is_equal());
        let value = match (self.options.mode, right, is_boxed(input.response, false)) {
            (ZooMode::Mix, right, _) => f64::from(u8::from(right)),
            (ZooMode::Independent, true, true) => 1.0,
            (ZooMode::Independent, true, false) => 0.5,
            (ZooMode::Independent, false, true) => -0.5,
            (ZooMode::Independent, false, false) => self.options.format_penalty,
        };
        Ok(Reward::single(SimpleRlZoo::PART, value, Some(right)))
    }

    fn part_names(&self) -> Vec<String> {
        vec![SimpleRlZoo::PART.into()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_modes() {
        let value = |mode, response: &str| {
            let options = SimpleRlZoo {
                mode,
                ..SimpleRlZoo::default()
            };
            let rule = options.build().unwrap();
            rule.score(&RewardInput::new(response, "2")).unwrap().value
        };
        let texts = [
            r"\boxed{2}",
            "the answer is 2",
            r"\boxed{3}",
            "the answer is 3",
        ];
        assert_eq!(texts.map(|t| value(ZooMode::Mix, t)), [1.0, 1.0, 0.0, 0.0]);
        assert_eq!(
            texts.map(|t| value(ZooMode::Independent, t)),
            [1.0, 0.5, -0.5, -1.0]
        );
    }

    #[test]
    fn found_as_qwen_does_and_compared_as_math_verify_does() {
        let value = |gold: &str, response: &str| {
            let rule = SimpleRlZoo::default().build().unwrap();
            let input = RewardInput::new(response, gold);
            rule.score(&input).unwrap().value
        };
        for (gold, response) in [
            (r"\frac{1}{2}", r"so \boxed{0.5}"),
            ("12", "they have 3, then 12"),
            ("12", "The answer is 12 apples"),
            (r"50\%", r"\boxed{50\%}"),
            ("x^2+2x+1", r"\boxed{(x+1)^2}"),
            ("5", r"\boxed{x=5}"),
        ] {
            assert_eq!(value(gold, response), 1.0, "{gold} | {response}");
        }
        // Qwen's own comparison takes a factor of 100 for a percent sign, and 1e-4 for rounding.
        for (gold, response) in [
            ("5", r"\boxed{500}"),
            ("5", r"\boxed{0.05}"),
            ("100000", r"\boxed{100001}"),
            ("12", ""),
        ] {
            assert_eq!(value(gold, response), 0.0, "{gold} | {response}");
        }
        let rule = SimpleRlZoo::default().build().unwrap();
        assert!(rule.score(&RewardInput::new("2", " ")).is_err());
    }
}
