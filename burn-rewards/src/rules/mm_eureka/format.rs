//! The format of MM-Eureka-8B (InternVL2.5-Instruct) and of MM-Eureka-Qwen-7B, and what it shares
//! with that of the third.

use super::COMPAT;
use crate::{
    Reward, RewardError, RewardFn, RewardInput,
    extract::is_python_space,
    rules::{Options, Rule, entry::entry, thought},
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// `value` where `<think>…</think><answer>…</answer>` stands in the response, each tag exactly
/// once and only white space between the two; else 0. Text before and after is allowed.
///
/// `format_reward_func` of `reward_func_internvl_instruct.py` and of `reward_func_qwen_instruct.py`.
/// The thought must have a word in it and the answer must not be blank, and a `<think>` at the end
/// of the prompt counts as the response's own; neither with `compat`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MmEurekaFormat {
    /// What the format is worth.
    pub value: f64,
    /// Reproduces the original with its quirks.
    pub compat: bool,
}

impl Default for MmEurekaFormat {
    fn default() -> Self {
        Self {
            value: 0.5,
            compat: false,
        }
    }
}

impl MmEurekaFormat {
    /// The same under the name of the Qwen model.
    pub(in crate::rules) const QWEN: Rule = entry::<Self>().named(
        "mm_eureka_qwen_format",
        "MM-Eureka-Qwen-7B, arXiv:2503.07365; reward_func_qwen_instruct.py, format",
    );
}

impl Options for MmEurekaFormat {
    const NAME: &'static str = "mm_eureka_instruct_format";
    const PART: &'static str = "format";
    const RANGE: (f64, f64) = (0.0, 0.5);
    const ABOUT: &'static str =
        "<think>…</think><answer>…</answer> stands in the response, each tag once";
    const SOURCE: &'static str =
        "MM-Eureka-8B, arXiv:2503.07365; reward_func_internvl_instruct.py, format";
    const OPTIONS: &'static [(&'static str, &'static str)] =
        &[("value", "what the format is worth"), COMPAT];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        crate::rules::at_least("value", self.value, 0.0)?;
        Ok(Box::new(self))
    }
}

impl RewardFn for MmEurekaFormat {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let value = match holds(&text(input, self.compat), self.compat) {
            true => self.value,
            false => 0.0,
        };
        Ok(Reward::single(Self::PART, value, None))
    }

    fn part_names(&self) -> Vec<String> {
        vec![Self::PART.into()]
    }
}

/// What is judged: the originals do not look at the prompt.
pub(super) fn text<'a>(input: &RewardInput<'a>, compat: bool) -> Cow<'a, str> {
    match compat {
        true => input.response.into(),
        false => thought::whole(input),
    }
}

/// The pieces of a response in which each of the four tags stands exactly once and in order, with
/// nothing but white space between thinking and answer.
pub(super) struct Pieces<'a> {
    pub before: &'a str,
    pub thought: &'a str,
    pub answer: &'a str,
    pub after: &'a str,
}

pub(super) fn pieces(response: &str) -> Option<Pieces<'_>> {
    let once = |text: &str, tag: &str| text.matches(tag).take(2).count() == 1;
    let tags = ["<think>", "</think>", "<answer>", "</answer>"];
    if !tags.iter().all(|tag| once(response, tag)) {
        return None;
    }
    let (before, rest) = response.split_once("<think>")?;
    let (thought, rest) = rest.split_once("</think>")?;
    let (between, rest) = rest.split_once("<answer>")?;
    let (answer, after) = rest.split_once("</answer>")?;
    between.chars().all(is_python_space).then_some(Pieces {
        before,
        thought,
        answer,
        after,
    })
}

/// Whether thought and answer say something: for the originals one character of white space does.
pub(super) fn filled(pieces: &Pieces<'_>, compat: bool) -> bool {
    match compat {
        true => !pieces.thought.is_empty() && !pieces.answer.is_empty(),
        false => thought::is_thought(pieces.thought) && !pieces.answer.trim().is_empty(),
    }
}

/// The format of the instruct and the Qwen models: text before and after is allowed.
fn holds(response: &str, compat: bool) -> bool {
    pieces(response).is_some_and(|p| filled(&p, compat))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tag_once_and_in_order() {
        assert!(holds("<think>t</think><answer>a</answer>", false));
        assert!(holds(
            "so: <think>t\n</think>\n <answer>\na</answer>!",
            false
        ));
        for bad in [
            "",
            "<answer>a</answer>",
            "<think>t</think>x<answer>a</answer>",
            "<think>t</think><answer>a</answer><answer>b</answer>",
            "<think><think>t</think><answer>a</answer>",
            "<answer>a</answer><think>t</think>",
            "<think></think><answer>a</answer>",
            "<think>t</think><answer></answer>",
        ] {
            assert!(!holds(bad, false) && !holds(bad, true), "{bad}");
        }
        let blank = "<think> </think><answer> </answer>";
        assert!(holds(blank, true) && !holds(blank, false));
        let dots = "<think>…</think><answer>a</answer>";
        assert!(holds(dots, true) && !holds(dots, false));
    }
}
