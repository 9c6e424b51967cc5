//! The format of VisualThinker.

use crate::{
    Reward, RewardError, RewardFn, RewardInput,
    rules::{
        Options,
        r1v::{holds, holds_compat},
        thought::opened,
    },
};
use serde::{Deserialize, Serialize};

/// 1 where prompt and response together have `<think>…</think><answer>…</answer>` and nothing
/// else after the first tag, which the prompt for base models ends with; else 0.
///
/// `format_reward`: [`crate::rules::R1vFormat`] for responses that begin inside the thought. A
/// prompt whose end is known to be `<think>` counts as such whatever the option says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VisualThinkerFormat {
    /// Whether the prompt ends with `<think>`, as for base models.
    pub think_in_prompt: bool,
    /// Reproduces the original with its quirks.
    pub compat: bool,
}

impl Default for VisualThinkerFormat {
    fn default() -> Self {
        Self {
            think_in_prompt: true,
            compat: false,
        }
    }
}

impl Options for VisualThinkerFormat {
    const NAME: &'static str = "visual_thinker_format";
    const PART: &'static str = "format";
    const RANGE: (f64, f64) = (0.0, 1.0);
    const ABOUT: &'static str =
        "after <think> in the prompt, the response is …</think><answer>…</answer>";
    const SOURCE: &'static str =
        "VisualThinker-R1-Zero, arXiv:2503.05132; open_r1/grpo.py format_reward";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[
        ("think_in_prompt", "whether the prompt ends with <think>"),
        ("compat", "reproduces the original with its quirks"),
    ];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        Ok(Box::new(self))
    }
}

impl RewardFn for VisualThinkerFormat {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let in_prompt = self.think_in_prompt || input.thought_is_open();
        let well_formed = match (self.compat, self.think_in_prompt) {
            (false, _) => holds(&opened(input.response, in_prompt)),
            (true, true) => holds_compat(&format!("<think>{}", input.response)),
            (true, false) => holds_compat(input.response),
        };
        let value = f64::from(u8::from(well_formed));
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
    fn the_first_tag_stands_in_the_prompt() {
        let value = |rule: &VisualThinkerFormat, response: &str| {
            rule.score(&RewardInput::new(response, "")).unwrap().value
        };
        let base = VisualThinkerFormat::default();
        assert_eq!(value(&base, "so</think><answer>a</answer>"), 1.0);
        assert_eq!(value(&base, "<think>so</think><answer>a</answer>"), 1.0);
        assert_eq!(value(&base, "\n</think><answer>a</answer>"), 0.0);
        let chat = VisualThinkerFormat {
            think_in_prompt: false,
            compat: true,
        };
        assert_eq!(value(&chat, "so</think><answer>a</answer>"), 0.0);
        assert_eq!(value(&chat, "<think>so</think><answer>a</answer>"), 1.0);
    }
}
