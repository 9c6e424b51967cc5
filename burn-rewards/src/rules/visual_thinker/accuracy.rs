//! The accuracy of VisualThinker.

use crate::{
    Reward, RewardError, RewardFn, RewardInput,
    extract::is_python_space,
    math::choice,
    rules::{
        Options,
        r1v::{Judged, judge, judge_compat},
    },
};
use serde::{Deserialize, Serialize};

/// Option letters that the original knows.
const LETTERS: &str = "ABCDEFGH";

/// 1 where the answer equals the gold answer as mathematics or letter by letter, or the last
/// option letter in it is the gold answer's; else 0.
///
/// `accuracy_reward`: [`crate::rules::R1vAccuracy`] with option letters A–H. Without `compat` a
/// letter also counts beside punctuation, and not as the article in front of a word.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VisualThinkerAccuracy {
    /// Whether a response without `<answer>` is wrong.
    pub require_tag: bool,
    /// Reproduces the original with its quirks.
    pub compat: bool,
}

impl Options for VisualThinkerAccuracy {
    const NAME: &'static str = "visual_thinker_accuracy";
    const PART: &'static str = "accuracy";
    const RANGE: (f64, f64) = (0.0, 1.0);
    const ABOUT: &'static str =
        "the answer equals the gold answer as mathematics or as text, or ends on its option letter";
    const SOURCE: &'static str =
        "VisualThinker-R1-Zero, arXiv:2503.05132; open_r1/grpo.py accuracy_reward";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[
        (
            "require_tag",
            "whether a response without <answer> is wrong",
        ),
        ("compat", "reproduces the original with its quirks"),
    ];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        match self.require_tag && self.compat {
            true => Err("options `require_tag` and `compat` exclude each other".into()),
            false => Ok(Box::new(self)),
        }
    }
}

fn last_letter(judged: &Judged<'_>) -> bool {
    let gold = choice::single(judged.gold, LETTERS);
    let found = choice::single(judged.answer, LETTERS).or_else(|| {
        let all = choice::standing(judged.answer, LETTERS);
        all.last().map(|(_, letter)| letter)
    });
    gold.is_some() && gold == found
}

/// The last of Python's `(^|\s|\[|\()([A-H])(\s|\]|\)|$)`, for which the character after a letter
/// is used up and cannot stand before the next.
fn last_letter_compat(judged: &Judged<'_>) -> bool {
    let mut last = None;
    let mut free = 0;
    for (at, letter) in judged.answer.char_indices() {
        let before = judged.answer[..at].chars().next_back();
        let open = before.is_none_or(|c| is_python_space(c) || c == '[' || c == '(');
        let after = judged.answer[at + letter.len_utf8()..].chars().next();
        let close = after.is_none_or(|c| is_python_space(c) || c == ']' || c == ')');
        let start = at - before.map_or(0, char::len_utf8);
        if LETTERS.contains(letter) && open && close && start >= free {
            last = Some(letter);
            free = at + 1 + after.map_or(0, char::len_utf8);
        }
    }
    last.is_some_and(|letter| judged.gold.chars().eq([letter]))
}

impl RewardFn for VisualThinkerAccuracy {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let correct = if self.compat {
            let judged = judge_compat(input);
            judged.correct || last_letter_compat(&judged)
        } else {
            judge(Self::NAME, input, self.require_tag)?
                .is_some_and(|judged| judged.correct || last_letter(&judged))
        };
        Ok(Reward::verdict(Self::PART, correct))
    }

    fn needs_answer(&self, _row: &RewardInput<'_>) -> bool {
        true
    }

    fn part_names(&self) -> Vec<String> {
        vec![Self::PART.into()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(compat: bool, response: &str, gold: &str) -> f64 {
        let rule = VisualThinkerAccuracy {
            compat,
            ..VisualThinkerAccuracy::default()
        };
        rule.score(&RewardInput::new(response, gold)).unwrap().value
    }

    #[test]
    fn the_last_letter_decides() {
        let gold = "<answer>B</answer>";
        for compat in [false, true] {
            assert_eq!(
                value(compat, "<answer>first (A) then [B]</answer>", gold),
                1.0
            );
            assert_eq!(value(compat, "<answer>(B) or (C)</answer>", gold), 0.0);
            assert_eq!(value(compat, "<answer>Bird</answer>", gold), 0.0);
        }
        assert_eq!(value(false, "<answer>It is B.</answer>", gold), 1.0);
        assert_eq!(value(true, "<answer>It is B.</answer>", gold), 0.0);
        assert_eq!(value(false, "<answer>A bird</answer>", "A"), 0.0);
        assert_eq!(value(true, "<answer>A bird</answer>", "A"), 1.0);
    }

    #[test]
    fn the_original_uses_a_space_up() {
        // In `A B` the space ends the A and cannot begin the B.
        assert_eq!(value(true, "A B", "A"), 1.0);
        assert_eq!(value(true, "A B", "B"), 0.0);
        assert_eq!(value(true, "A  B", "B"), 1.0);
    }
}
