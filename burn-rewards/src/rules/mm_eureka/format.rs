//! What the three formats share.

use crate::extract::is_python_space;

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

/// Whether there is something: for the original one character of white space is.
pub(super) fn filled(text: &str, compat: bool) -> bool {
    match compat {
        true => !text.is_empty(),
        false => !text.trim().is_empty(),
    }
}

/// The format of the instruct and the Qwen models: text before and after is allowed.
pub(super) fn holds(response: &str, compat: bool) -> bool {
    pieces(response).is_some_and(|p| filled(p.thought, compat) && filled(p.answer, compat))
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
    }
}
