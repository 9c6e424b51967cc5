//! A reward for length: the one that VisualThinker shows not to work.

use super::Options;
use crate::{Reward, RewardError, RewardFn, RewardInput};
use serde::{Deserialize, Serialize};

/// `per_token · length`, at most `max`.
///
/// Its authors report long responses without meaning and no better accuracy; it is here for
/// comparison.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Length {
    /// Reward of one unit of length.
    pub per_token: f64,
    /// Largest reward; 0 for no limit.
    pub max: f64,
    /// What length is counted in.
    pub unit: LengthUnit,
}

/// What length is counted in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LengthUnit {
    /// Tokens of the trained model.
    #[default]
    Tokens,
    /// Unicode code points.
    Characters,
}

impl LengthUnit {
    /// The length of a response.
    ///
    /// # Errors
    /// [`RewardError::Input`] if tokens are asked for and were not counted.
    pub fn of(self, rule: &str, input: &RewardInput<'_>) -> Result<f64, RewardError> {
        let tokens = || {
            input.response_tokens.ok_or_else(|| RewardError::Input {
                rule: rule.into(),
                message: "the length of the response in tokens (`response_tokens`)".into(),
            })
        };
        Ok(match self {
            Self::Tokens => tokens()?,
            Self::Characters => input.response.chars().count(),
        } as f64)
    }
}

impl Default for Length {
    fn default() -> Self {
        Self {
            per_token: 0.001,
            max: 0.0,
            unit: LengthUnit::Tokens,
        }
    }
}

impl Options for Length {
    const NAME: &'static str = "length";
    const PART: &'static str = "length";
    const RANGE: (f64, f64) = (0.0, f64::INFINITY);
    const ABOUT: &'static str = "a constant times the length of the response";
    const SOURCE: &'static str = "VisualThinker-R1-Zero length_reward, src/open_r1/grpo.py";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[
        ("per_token", "reward of one unit of length"),
        ("max", "largest reward; 0 for no limit"),
        ("unit", "`tokens` or `characters`"),
    ];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        super::at_least("max", self.max, 0.0)?;
        match self.per_token.is_finite() {
            true => Ok(Box::new(self)),
            false => Err("option `per_token`: expected a finite number".into()),
        }
    }
}

impl RewardFn for Length {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let value = self.per_token * self.unit.of(Self::NAME, input)?;
        let value = if self.max > 0.0 {
            value.min(self.max)
        } else {
            value
        };
        Ok(Reward::single(Self::PART, value, None))
    }

    fn part_names(&self) -> Vec<String> {
        vec![Self::PART.into()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousandth_a_token() {
        let input = RewardInput {
            response_tokens: Some(250),
            ..RewardInput::new("ß and so on", "")
        };
        assert_eq!(Length::default().score(&input).unwrap().value, 0.25);
        let capped = Length {
            max: 0.1,
            ..Length::default()
        };
        assert_eq!(capped.score(&input).unwrap().value, 0.1);
        let characters = Length {
            per_token: 1.0,
            unit: LengthUnit::Characters,
            ..Length::default()
        };
        assert_eq!(characters.score(&input).unwrap().value, 11.0);
    }

    #[test]
    fn tokens_that_were_not_counted_are_no_zero() {
        let message = Length::default()
            .score(&RewardInput::new("x", ""))
            .unwrap_err()
            .to_string();
        assert!(message.contains("`response_tokens`"), "{message}");
    }
}
