//! The format of R1-V.

use crate::{
    Reward, RewardError, RewardFn, RewardInput,
    extract::is_python_space,
    rules::{
        Options,
        thought::{is_thought, whole},
    },
};
use serde::{Deserialize, Serialize};

/// 1 where the response is `<think>…</think><answer>…</answer>` and nothing else, else 0.
///
/// `format_reward`. White space around the response does not count, each tag stands exactly once,
/// the thought has a word in it, and a `<think>` at the end of the prompt counts as the response's
/// own. With `compat` as the original: the prompt is not looked at, white space counts, the thought
/// may be empty, and dots match tags, so that more of them in between do not hurt.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct R1vFormat {
    /// Reproduces the original with its quirks.
    pub compat: bool,
}

impl Options for R1vFormat {
    const NAME: &'static str = "r1v_format";
    const PART: &'static str = "format";
    const RANGE: (f64, f64) = (0.0, 1.0);
    const ABOUT: &'static str =
        "the response is <think>…</think><answer>…</answer> and nothing else";
    const SOURCE: &'static str = "R1-V, open_r1/grpo.py format_reward";
    const OPTIONS: &'static [(&'static str, &'static str)] =
        &[("compat", "reproduces the original with its quirks")];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        Ok(Box::new(self))
    }
}

/// `<think>…</think><answer>…</answer>`, each tag once, and something in both.
pub(in crate::rules) fn holds(response: &str) -> bool {
    let text = response.trim().strip_prefix("<think>");
    let Some((thought, rest)) = text.and_then(|text| text.split_once("</think>")) else {
        return false;
    };
    let answer = rest
        .trim_start()
        .strip_prefix("<answer>")
        .and_then(|rest| rest.strip_suffix("</answer>"));
    let tags = ["<think>", "</think>", "<answer>", "</answer>"];
    let plain = |text: &str| !tags.iter().any(|tag| text.contains(tag));
    answer.is_some_and(|answer| {
        plain(thought) && is_thought(thought) && plain(answer) && !answer.trim().is_empty()
    })
}

/// Python's `fullmatch` of `<think>.*?</think>\s*<answer>.*?</answer>` with `DOTALL`, for which
/// only the ends and one passage from thinking to answer in between matter.
pub(in crate::rules) fn holds_compat(response: &str) -> bool {
    let inner = response
        .strip_prefix("<think>")
        .and_then(|rest| rest.strip_suffix("</answer>"));
    let passes = |text: &str| {
        text.split("</think>").skip(1).any(|rest| {
            rest.trim_start_matches(is_python_space)
                .starts_with("<answer>")
        })
    };
    inner.is_some_and(passes)
}

impl RewardFn for R1vFormat {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let well_formed = match self.compat {
            true => holds_compat(input.response),
            false => holds(&whole(input)),
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
    fn each_tag_once() {
        assert!(holds("<think>a</think>\n<answer>b\nc</answer>\n"));
        let value = |end| {
            let input = RewardInput::new("a</think><answer>b</answer>", "").with_prompt_end(end);
            R1vFormat::default().score(&input).unwrap().value
        };
        assert_eq!((value("<think>\n"), value("")), (1.0, 0.0));
        for bad in [
            "",
            "a</think><answer>b</answer>",
            "<think>a</think>b<answer>c</answer>",
            "<think>a</think><answer>b</answer>c",
            "<think>a</think><answer> </answer>",
            "<think></think><answer>b</answer>",
            "<think>\n…\n</think><answer>b</answer>",
            "<think>a</think><answer>b</answer><answer>c</answer>",
        ] {
            assert!(!holds(bad), "{bad}");
        }
    }

    #[test]
    fn the_original_looks_at_ends_and_one_passage() {
        let twice = "<think>a</think><answer>b</answer><think></think> <answer></answer>";
        assert!(holds_compat(twice) && !holds(twice));
        assert!(holds_compat("<think></think>x</think><answer></answer>"));
        assert!(!holds_compat("<think>a</think><answer>b</answer>\n"));
        assert!(!holds_compat("<think>a</think>x<answer>b</answer>"));
        assert!(!holds_compat("<think></answer>"));
    }
}
