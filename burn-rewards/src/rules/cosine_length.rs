//! The cosine length reward: short right answers and long wrong ones are worth more.

use super::{LengthUnit, Options, Registry};
use crate::{Reward, RewardError, RewardFn, RewardInput};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Between `short` and `long`, along half a cosine of `length / max_length`; one pair of values
/// for right answers, one for wrong ones:
///
/// ```text
/// long + (short − long) · (1 + cos(π · length / max_length)) / 2
/// ```
///
/// "Demystifying Long Chain-of-Thought Reasoning" (arXiv:2502.03373), appendix C.1, with the
/// defaults of TRL's `get_cosine_scaled_reward`. Beyond the maximum the value stays at `long`; with
/// `compat`, as there, the cosine goes up again.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CosineLength {
    /// Length at which the values at `long` are reached.
    pub max_length: usize,
    /// What length is counted in.
    pub unit: LengthUnit,
    /// Value of a right answer of length 0.
    pub correct_short: f64,
    /// Value of a right answer of the maximal length.
    pub correct_long: f64,
    /// Value of a wrong answer of length 0.
    pub wrong_short: f64,
    /// Value of a wrong answer of the maximal length.
    pub wrong_long: f64,
    /// The rule that tells right from wrong.
    pub accuracy: String,
    /// Options of that rule.
    pub accuracy_options: Map<String, Value>,
    /// Reproduces the original with its quirks.
    pub compat: bool,
}

impl Default for CosineLength {
    fn default() -> Self {
        Self {
            max_length: 1000,
            unit: LengthUnit::Tokens,
            correct_short: 1.0,
            correct_long: 0.5,
            wrong_short: -1.0,
            wrong_long: -0.5,
            accuracy: "math".into(),
            accuracy_options: Map::new(),
            compat: false,
        }
    }
}

impl Options for CosineLength {
    const NAME: &'static str = "cosine_length";
    const PART: &'static str = "cosine_length";
    const RANGE: (f64, f64) = (-1.0, 1.0);
    const ABOUT: &'static str = "right answers are worth more when short, wrong ones when long";
    const SOURCE: &'static str =
        "arXiv:2502.03373, appendix C.1; TRL and open-r1 get_cosine_scaled_reward";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[
        ("max_length", "length at which the long end is reached"),
        ("unit", "`tokens` or `characters`"),
        ("correct_short", "value of a right answer of length 0"),
        (
            "correct_long",
            "value of a right answer of the maximal length",
        ),
        ("wrong_short", "value of a wrong answer of length 0"),
        (
            "wrong_long",
            "value of a wrong answer of the maximal length",
        ),
        ("accuracy", "the rule that tells right from wrong"),
        ("accuracy_options", "options of that rule"),
        (
            "compat",
            "beyond the maximum the cosine goes up again, as in the original",
        ),
    ];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        self.build_with(&Registry::builtin())
    }

    fn build_with(self, registry: &Registry) -> Result<Box<dyn RewardFn>, String> {
        if self.max_length == 0 {
            return Err("option `max_length` is 0, expected at least 1".into());
        }
        let ends = [
            ("correct_short", self.correct_short),
            ("correct_long", self.correct_long),
            ("wrong_short", self.wrong_short),
            ("wrong_long", self.wrong_long),
        ];
        if let Some((name, value)) = ends.iter().find(|(_, v)| !v.is_finite()) {
            return Err(format!(
                "option `{name}` is {value}, expected a finite number"
            ));
        }
        if self.accuracy == Self::NAME {
            return Err("option `accuracy`: expected another rule".into());
        }
        let rule = registry
            .find(&self.accuracy)
            .map_err(|e| format!("option `accuracy`: {e}"))?;
        let accuracy = rule
            .reward_with(&self.accuracy_options, registry)
            .map_err(|e| format!("option `accuracy_options`: {e}"))?;
        Ok(Box::new(Cosine {
            options: self,
            accuracy,
        }))
    }
}

struct Cosine {
    options: CosineLength,
    accuracy: Box<dyn RewardFn>,
}

impl RewardFn for Cosine {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let options = &self.options;
        let judged = self.accuracy.score(input)?;
        let correct = judged.correct.ok_or_else(|| RewardError::Input {
            rule: CosineLength::NAME.into(),
            message: format!(
                "a verdict, and `{}` gives none (option `accuracy`)",
                options.accuracy
            ),
        })?;
        let length = options.unit.of(CosineLength::NAME, input)?;
        let (short, long) = match correct {
            true => (options.correct_short, options.correct_long),
            false => (options.wrong_short, options.wrong_long),
        };
        let share = length / options.max_length as f64;
        let share = if options.compat {
            share
        } else {
            share.min(1.0)
        };
        let cosine = (share * std::f64::consts::PI).cos();
        let value = long + 0.5 * (short - long) * (1.0 + cosine);
        Ok(Reward::single(CosineLength::PART, value, Some(correct)))
    }

    fn part_names(&self) -> Vec<String> {
        vec![CosineLength::PART.into()]
    }

    fn check_gold(&self, row: &RewardInput<'_>) -> Result<(), RewardError> {
        self.accuracy.check_gold(row)
    }

    fn explain(&self, input: &RewardInput<'_>) -> Vec<String> {
        self.accuracy.explain(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(compat: bool, response: &str, tokens: usize) -> f64 {
        let options = CosineLength {
            accuracy: "answer_exact".into(),
            max_length: 100,
            compat,
            ..CosineLength::default()
        };
        let input = RewardInput {
            response_tokens: Some(tokens),
            ..RewardInput::new(response, "2")
        };
        options.build().unwrap().score(&input).unwrap().value
    }

    #[test]
    fn short_and_right_or_long_and_wrong() {
        let (right, wrong) = ("<answer>2</answer>", "<answer>3</answer>");
        assert_eq!(value(false, right, 0), 1.0);
        assert_eq!(value(false, wrong, 0), -1.0);
        assert!((value(false, right, 50) - 0.75).abs() < 1e-12);
        assert_eq!(value(false, right, 100), 0.5);
        assert_eq!(value(false, wrong, 100), -0.5);
        assert_eq!(value(false, right, 200), 0.5, "it stays");
        assert_eq!(value(true, right, 200), 1.0, "the original goes up again");
    }

    #[test]
    fn the_rule_that_judges_must_judge() {
        let build = |accuracy: &str| {
            let options = CosineLength {
                accuracy: accuracy.into(),
                ..CosineLength::default()
            };
            options.build()
        };
        let refused = |accuracy| build(accuracy).err().unwrap();
        assert!(refused("mth").contains("did you mean `math`?"));
        assert!(refused("cosine_length").contains("another rule"));
        let blind = build("answer_format").unwrap();
        let message = blind
            .score(&RewardInput::new("", ""))
            .unwrap_err()
            .to_string();
        assert!(message.contains("`answer_format` gives none"), "{message}");
    }
}
