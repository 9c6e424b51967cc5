//! The format of MM-Eureka-Zero-38B (InternVL2.5-Pretrained).

use super::{
    COMPAT,
    format::{filled, pieces, text},
};
use crate::{
    Reward, RewardError, RewardFn, RewardInput,
    extract::python_strip,
    rules::{Options, at_least},
};
use serde::{Deserialize, Serialize};

/// `value` where the response is `<think>…</think><answer>…</answer>` and nothing else, each tag
/// exactly once, and the thought has at least `min_thought` characters; else 0.
///
/// `format_reward_func` of `reward_func_internvl_pretrain.py`. White space around the response
/// does not count. The thought must have a word in it and the answer must not be blank, and a
/// `<think>` at the end of the prompt counts as the response's own; neither with `compat`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MmEurekaZeroFormat {
    /// What the format is worth.
    pub value: f64,
    /// Fewest characters of the thought, white space around it left out.
    pub min_thought: usize,
    /// Reproduces the original with its quirks.
    pub compat: bool,
}

impl Default for MmEurekaZeroFormat {
    fn default() -> Self {
        Self {
            value: 1.0,
            min_thought: 300,
            compat: false,
        }
    }
}

impl Options for MmEurekaZeroFormat {
    const NAME: &'static str = "mm_eureka_zero_format";
    const PART: &'static str = "format";
    const RANGE: (f64, f64) = (0.0, 1.0);
    const ABOUT: &'static str = "the response is <think>…</think><answer>…</answer> and nothing \
                                 else, with a long enough thought";
    const SOURCE: &'static str =
        "MM-Eureka-Zero-38B, arXiv:2503.07365; reward_func_internvl_pretrain.py, format";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[
        ("value", "what the format is worth"),
        ("min_thought", "fewest characters of the thought"),
        COMPAT,
    ];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        at_least("value", self.value, 0.0)?;
        Ok(Box::new(self))
    }
}

impl MmEurekaZeroFormat {
    fn holds(&self, response: &str) -> bool {
        pieces(python_strip(response)).is_some_and(|p| {
            let long = python_strip(p.thought).chars().count() >= self.min_thought;
            let alone = p.before.is_empty() && p.after.is_empty();
            alone && long && filled(&p, self.compat)
        })
    }
}

impl RewardFn for MmEurekaZeroFormat {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let value = match self.holds(&text(input, self.compat)) {
            true => self.value,
            false => 0.0,
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
    fn the_thought_must_be_long_and_nothing_may_stand_around() {
        let value = |thought: usize, before: &str, after: &str| {
            let thought = "é".repeat(thought);
            let text = format!("{before}<think> {thought} </think>\n<answer>a</answer>{after}");
            let input = RewardInput::new(&text, "");
            MmEurekaZeroFormat::default().score(&input).unwrap().value
        };
        assert_eq!(value(300, "", ""), 1.0);
        assert_eq!(value(300, " ", "\n"), 1.0);
        assert_eq!(value(299, "", ""), 0.0);
        assert_eq!(value(300, "so ", ""), 0.0);
        assert_eq!(value(300, "", " done"), 0.0);
    }
}
