//! DAPO's soft overlong punishment.

use super::Options;
use crate::{Reward, RewardError, RewardFn, RewardInput, rules::LengthUnit};
use serde::{Deserialize, Serialize};

/// With length `y`, limit `L` and buffer `b`:
///
/// ```text
/// 0                        y ≤ L − b
/// penalty · (L − b − y)/b  L − b < y ≤ L
/// −penalty                 y > L
/// ```
///
/// DAPO (arXiv:2503.14476), equation 13, whose values are the defaults.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SoftOverlong {
    /// `L`: the longest response in tokens.
    pub max_tokens: usize,
    /// `b`: over how many tokens before the limit the punishment rises.
    pub buffer_tokens: usize,
    /// The largest punishment.
    pub penalty: f64,
}

impl Default for SoftOverlong {
    fn default() -> Self {
        Self {
            max_tokens: 20480,
            buffer_tokens: 4096,
            penalty: 1.0,
        }
    }
}

impl Options for SoftOverlong {
    const NAME: &'static str = "soft_overlong";
    const PART: &'static str = "overlong";
    const RANGE: (f64, f64) = (-1.0, 0.0);
    const ABOUT: &'static str = "a punishment that rises over the last tokens before the limit";
    const SOURCE: &'static str = "DAPO, arXiv:2503.14476, equation 13";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[
        ("max_tokens", "the longest response"),
        (
            "buffer_tokens",
            "over how many tokens before it the punishment rises",
        ),
        ("penalty", "the largest punishment"),
    ];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        super::at_least("penalty", self.penalty, 0.0)?;
        let (buffer, max) = (self.buffer_tokens, self.max_tokens);
        match buffer >= 1 && buffer <= max {
            true => Ok(Box::new(self)),
            false => Err(format!(
                "option `buffer_tokens` is {buffer}, expected 1 to `max_tokens`, which is {max}"
            )),
        }
    }
}

impl RewardFn for SoftOverlong {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let length = LengthUnit::Tokens.of(Self::NAME, input)?;
        let free = self.max_tokens.saturating_sub(self.buffer_tokens) as f64;
        let share = ((length - free) / self.buffer_tokens as f64).clamp(0.0, 1.0);
        // Not `-0.0` where there is nothing to punish.
        let value = 0.0 - share * self.penalty;
        Ok(Reward::single(Self::PART, value, None))
    }

    fn check_length(&self, max_new_tokens: usize) -> Result<(), RewardError> {
        let free = self.max_tokens - self.buffer_tokens;
        match max_new_tokens > free {
            true => Ok(()),
            false => Err(RewardError::config(
                Self::NAME,
                format!(
                    "`max_tokens` is {} and `buffer_tokens` is {}, so responses of up to {free} \
                     tokens have no penalty, but rollout.sampling.max_new_tokens is \
                     {max_new_tokens}: expected `max_tokens` less `buffer_tokens` below it",
                    self.max_tokens, self.buffer_tokens
                ),
            )),
        }
    }

    fn part_names(&self) -> Vec<String> {
        vec![Self::PART.into()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_over_the_buffer() {
        let rule = SoftOverlong {
            max_tokens: 100,
            buffer_tokens: 20,
            penalty: 1.0,
        };
        let value = |tokens| {
            let input = RewardInput {
                response_tokens: Some(tokens),
                ..RewardInput::new("", "")
            };
            rule.score(&input).unwrap().value
        };
        // The third pair is the example in TRL's documentation.
        for (tokens, expected) in [(0, 0.0), (80, 0.0), (90, -0.5), (100, -1.0), (500, -1.0)] {
            assert_eq!(value(tokens), expected, "{tokens}");
        }
    }
}
