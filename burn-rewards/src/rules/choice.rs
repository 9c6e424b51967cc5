//! Options chosen in a multiple-choice answer.

use super::{CvBench, Options};
use crate::{
    Reward, RewardError, RewardFn, RewardInput,
    extract::{announced, stated},
    math::choice,
};
use serde::{Deserialize, Serialize};

/// 1 where the response chooses the gold option, else 0.
///
/// The answer is the last `<answer>`, else the last `\boxed{}`, else all of the response; in it
/// the option is found as by [`CvBench`]. Where the gold answer is several letters (`A, D`), the
/// letters that stand in the answer, after the last "answer is" if that is there, must be the same
/// ones.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Choice {
    /// The letters that options have.
    pub letters: String,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            letters: "ABCDEFGHIJ".into(),
        }
    }
}

impl Options for Choice {
    const NAME: &'static str = "choice";
    const PART: &'static str = "accuracy";
    const RANGE: (f64, f64) = (0.0, 1.0);
    const ABOUT: &'static str =
        "the answer in tag, box or text is the gold option, or all of several";
    const SOURCE: &'static str = "ours, for `trainer eval`; see benchmarks.md for what the \
                                  authors of each benchmark do";
    const OPTIONS: &'static [(&'static str, &'static str)] =
        &[("letters", "the letters that options have")];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        let one = CvBench {
            letters: self.letters.clone(),
        };
        Ok(Box::new(ChoiceReward {
            one: one.build()?,
            letters: self.letters,
        }))
    }
}

struct ChoiceReward {
    one: Box<dyn RewardFn>,
    letters: String,
}

impl ChoiceReward {
    /// The letters of a gold answer that is several letters and nothing else, sorted.
    fn several(&self, gold: &str) -> Option<Vec<char>> {
        let mut found = vec![];
        for word in gold.split(|c: char| !c.is_alphanumeric()) {
            let mut chars = word.chars();
            match (chars.next(), chars.next()) {
                (None, _) => {}
                (Some(letter), None) if self.letters.contains(letter) => found.push(letter),
                _ => return None,
            }
        }
        found.sort_unstable();
        found.dedup();
        (found.len() > 1).then_some(found)
    }
}

impl RewardFn for ChoiceReward {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let answer = stated(input.response);
        let Some(gold) = self.several(input.answer) else {
            let input = RewardInput {
                response: answer,
                ..*input
            };
            return self.one.score(&input);
        };
        let answer = announced(answer).unwrap_or(answer);
        let mut found: Vec<char> = choice::standing(answer, &self.letters)
            .map(|(_, letter)| letter)
            .collect();
        found.sort_unstable();
        found.dedup();
        Ok(Reward::verdict(Choice::PART, found == gold))
    }

    fn part_names(&self) -> Vec<String> {
        vec![Choice::PART.into()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right(gold: &str, response: &str) -> bool {
        let rule = Choice::default().build().unwrap();
        let input = RewardInput::new(response, gold).with_prompt("Which?\n(A) a pen\n(B) a cup");
        rule.score(&input).unwrap().correct == Some(true)
    }

    #[test]
    fn the_box_or_the_tag_is_the_answer() {
        for response in [
            r"Not A. So \boxed{B}",
            r"\boxed{\text{B}} is it. A is not.",
            "A? <answer>(B)</answer>",
            "The answer is B.",
            r"\boxed{\text{a cup}}",
            "<answer>a cup</answer>",
        ] {
            assert!(right("B", response), "{response}");
            assert!(!right("A", response), "{response}");
        }
        assert!(!right("B", ""));
    }

    #[test]
    fn several_letters_are_all_of_them_in_any_order() {
        assert!(right("A, D", r"\boxed{D, A}"));
        assert!(right("A,D", "I see B and C. The answer is A and D"));
        assert!(!right("A, D", r"\boxed{A}"));
        assert!(!right("A, D", r"\boxed{A, B, D}"));
    }
}
