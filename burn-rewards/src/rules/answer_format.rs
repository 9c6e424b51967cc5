//! Format: one well-formed `<answer>` at the end, thinking before it allowed but not asked for.

use super::{Options, thought::whole};
use crate::{Reward, RewardError, RewardFn, RewardInput};
use serde::{Deserialize, Serialize};

/// 1 where the response is `<answer>…</answer>`, optionally preceded by one `<think>…</think>`,
/// and nothing else; else 0.
///
/// Thinking is allowed, not rewarded: the value is the same with and without it, and an empty
/// thought is as none. One that the prompt has opened must be closed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnswerFormat {}

impl Options for AnswerFormat {
    const NAME: &'static str = "answer_format";
    const PART: &'static str = "format";
    const RANGE: (f64, f64) = (0.0, 1.0);
    const ABOUT: &'static str =
        "the response is [<think>…</think>]<answer>…</answer> and nothing else";
    const SOURCE: &'static str = "R1-V format_reward with the thinking made optional";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        Ok(Box::new(self))
    }
}

/// The text between `open` at the start of `text` and the first `close`, and what follows it.
fn block<'a>(text: &'a str, open: &str, close: &str) -> Option<(&'a str, &'a str)> {
    text.strip_prefix(open)?.split_once(close)
}

fn well_formed(response: &str) -> bool {
    const TAGS: [&str; 4] = ["<think>", "</think>", "<answer>", "</answer>"];
    let plain = |text: &str| !TAGS.iter().any(|tag| text.contains(tag));
    let mut rest = response.trim();
    if let Some((thought, after)) = block(rest, "<think>", "</think>") {
        if !plain(thought) {
            return false;
        }
        rest = after.trim_start();
    }
    block(rest, "<answer>", "</answer>").is_some_and(|(answer, after)| {
        after.is_empty() && plain(answer) && !answer.trim().is_empty()
    })
}

impl RewardFn for AnswerFormat {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let value = f64::from(u8::from(well_formed(&whole(input))));
        Ok(Reward::single(Self::PART, value, None))
    }

    fn part_names(&self) -> Vec<String> {
        vec![Self::PART.into()]
    }
}

#[cfg(test)]
mod tests {
    use super::well_formed;

    #[test]
    fn thinking_is_optional() {
        assert!(well_formed("<answer>2</answer>"));
        assert!(well_formed(
            "<think>a red circle</think> <answer>2</answer>\n"
        ));
        assert!(well_formed("<think></think><answer>2</answer>"));
    }

    #[test]
    fn anything_else_is_malformed() {
        for bad in [
            "",
            "2",
            "<answer>2",
            "<answer></answer>",
            "<answer> </answer>",
            "so <answer>2</answer>",
            "<answer>2</answer> done",
            "<answer>1</answer><answer>2</answer>",
            "<think>a<answer>2</answer>",
            "<think>a<think>b</think></think><answer>2</answer>",
            "<answer>2</answer><think>a</think>",
            "<answer><answer>2</answer>",
        ] {
            assert!(!well_formed(bad), "{bad}");
        }
    }
}
