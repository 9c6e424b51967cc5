//! The option chosen in a multiple-choice answer, as CV-Bench is scored.

use super::Options;
use crate::{
    Reward, RewardError, RewardFn, RewardInput,
    extract::{announced, last_answer_tag},
    math::{self, choice},
};
use serde::{Deserialize, Serialize};

/// 1 where the response chooses the gold option, else 0.
///
/// The gold answer is a letter (`(B)`, `B`), with or without its text (`(B) two chairs`), or the
/// text of an option that the prompt lists as `(A) one chair (B) two chairs`, `A. one chair` or
/// `A: one chair`; only letters that it lists are options. Of the response it
/// looks at the last `<answer>`, else at all of it, and there in turn for
///
/// 1. a letter or the text of an option and nothing else,
/// 2. the first letter after the last "answer is" or "answer:",
/// 3. the last letter that stands for itself,
/// 4. the text of exactly one option.
///
/// A letter that words take back ("not B") or that is one of several ("A or B") is no choice.
///
/// VisualThinker's `evaluate_Qwen2_VL_CVBench.py` accepts letter or text, Cambrian's evaluation the
/// letter after "answer is".
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CvBench {
    /// The letters that options have.
    pub letters: String,
}

impl Default for CvBench {
    fn default() -> Self {
        Self {
            letters: "ABCDEF".into(),
        }
    }
}

impl Options for CvBench {
    const NAME: &'static str = "cv_bench";
    const PART: &'static str = "accuracy";
    const RANGE: (f64, f64) = (0.0, 1.0);
    const ABOUT: &'static str = "the response chooses the gold option, by letter or by text";
    const SOURCE: &'static str = "CV-Bench (Cambrian-1, arXiv:2406.16860) as evaluated by \
                                  Cambrian and VisualThinker-R1-Zero";
    const OPTIONS: &'static [(&'static str, &'static str)] =
        &[("letters", "the letters that options have")];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        let upper =
            !self.letters.is_empty() && self.letters.chars().all(|c| c.is_ascii_uppercase());
        match upper {
            true => Ok(Box::new(self)),
            false => Err(format!(
                "option `letters` is `{}`, expected upper-case letters as ABCD",
                self.letters
            )),
        }
    }
}

/// An option of the question.
struct Choice {
    letter: char,
    text: String,
}

fn normalise(text: &str) -> String {
    let kept = text
        .trim()
        .trim_matches(|c: char| "*_`\"'$.,:;!".contains(c));
    let words: Vec<&str> = kept.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

impl CvBench {
    /// The options that a text lists as `(A) one (B) two`, `A. one` or `A: one`, each to the next
    /// or to the end of the line. What is listed begins with the first letter.
    fn listed(&self, text: &str) -> Vec<Choice> {
        let marks: Vec<(usize, usize, char)> = text
            .char_indices()
            .filter_map(|(at, _)| self.mark(text, at))
            .collect();
        let mut choices: Vec<Choice> = vec![];
        for (i, (_, from, letter)) in marks.iter().enumerate() {
            let rest = &text[*from..];
            let line = rest.find('\n').unwrap_or(rest.len());
            let next = marks.get(i + 1).map_or(line, |(at, ..)| at - from);
            choices.push(Choice {
                letter: *letter,
                text: normalise(&rest[..line.min(next)]),
            });
        }
        choices.retain(|choice| !choice.text.is_empty());
        choices
    }

    /// The letter of an option that begins at `at`, and where its text starts.
    fn mark(&self, text: &str, at: usize) -> Option<(usize, usize, char)> {
        let free = text[..at]
            .chars()
            .next_back()
            .is_none_or(char::is_whitespace);
        let rest = &text[at..];
        let (letter, after) = match rest.strip_prefix('(') {
            Some(inner) => {
                let letter = inner.chars().next()?;
                (letter, inner[letter.len_utf8()..].strip_prefix(')')?)
            }
            None if free => {
                let letter = rest.chars().next()?;
                let after = rest[letter.len_utf8()..].strip_prefix(['.', ':', ')', '、', '．'])?;
                (letter, after.starts_with(' ').then_some(after)?)
            }
            None => return None,
        };
        let from = text.len() - after.len();
        self.letters.contains(letter).then_some((at, from, letter))
    }

    /// The gold option, and the options as far as they are known.
    fn gold(&self, input: &RewardInput<'_>) -> Option<(char, Vec<Choice>)> {
        let answer = last_answer_tag(input.answer).unwrap_or(input.answer);
        let mut choices = self.listed(input.prompt);
        let own = self.listed(answer);
        let letter = choice::single(answer, &self.letters)
            .or_else(|| own.first().map(|c| c.letter))
            .or_else(|| by_text(&choices, &normalise(answer)))?;
        if choices.is_empty() {
            choices = own;
        }
        Some((letter, choices))
    }

    fn chosen(&self, content: &str, choices: &[Choice]) -> Option<char> {
        let whole = normalise(content);
        let listed: String = choices.iter().map(|c| c.letter).collect();
        let letters = if listed.len() > 1 {
            &listed
        } else {
            &self.letters
        };
        if let Some(letter) = choice::single(content, letters) {
            return Some(letter);
        }
        if let Some(letter) = by_text(choices, &whole) {
            return Some(letter);
        }
        let announced = announced(content);
        let first = |text| choice::first_standing(text, letters);
        let named = || {
            let mut named = choices.iter().filter(|c| has_words(&whole, &c.text));
            let one = named.next()?;
            (named.next().is_none() && !math::denies(&whole)).then_some(one.letter)
        };
        let stands = choice::standing(content, letters).next().is_some();
        match announced {
            Some(after) if choice::standing(after, letters).next().is_some() => first(after),
            _ if stands => choice::last_standing(content, letters),
            _ => named(),
        }
    }
}

/// The option whose text is `text`, if there is exactly one.
fn by_text(choices: &[Choice], text: &str) -> Option<char> {
    let mut equal = choices.iter().filter(|c| c.text == text);
    let one = equal.next()?;
    equal.next().is_none().then_some(one.letter)
}

/// Whether `words` stands in `text`, not inside other words or numbers: 2 is not in 2.5 or -2.
fn has_words(text: &str, words: &str) -> bool {
    let digit = |c: char| c.is_ascii_digit();
    let before = |head: &str| {
        let mut chars = head.chars().rev();
        let number = words.starts_with(digit);
        match chars.next() {
            None => true,
            Some('.' | ',' | '/') if number => !chars.next().is_some_and(digit),
            Some('-' | '−') if number => false,
            Some(c) => !c.is_alphanumeric(),
        }
    };
    let after = |tail: &str| {
        let mut chars = tail.chars();
        let number = words.ends_with(digit);
        match chars.next() {
            None => true,
            Some('.' | ',' | '/') if number => !chars.next().is_some_and(digit),
            Some('%') if number => false,
            Some(c) => !c.is_alphanumeric(),
        }
    };
    text.match_indices(words)
        .any(|(at, _)| before(&text[..at]) && after(&text[at + words.len()..]))
}

impl RewardFn for CvBench {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let Some((gold, choices)) = self.gold(input) else {
            let expected = "expected the letter of an option, or the text of one that the prompt \
                            lists as (A) … (B) …";
            return Err(RewardError::gold(Self::NAME, input.answer, expected));
        };
        let content = last_answer_tag(input.response).unwrap_or(input.response);
        let correct = self.chosen(content, &choices) == Some(gold);
        Ok(Reward::verdict(Self::PART, correct))
    }

    fn part_names(&self) -> Vec<String> {
        vec![Self::PART.into()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMPT: &str =
        "How many chairs are there? Select from:\n(A) one chair (B) two chairs\n(C) a bench.";

    fn chosen(response: &str) -> Option<char> {
        let rule = CvBench::default();
        "ABCDEF".chars().find(|letter| {
            let answer = format!("({letter})");
            let input = RewardInput {
                prompt: PROMPT,
                ..RewardInput::new(response, &answer)
            };
            rule.score(&input).unwrap().value == 1.0
        })
    }

    #[test]
    fn by_letter_or_by_text() {
        for text in [
            "B",
            "(B)",
            "b.",
            "<answer>(B)</answer>",
            "<think>A or C?</think><answer>two chairs</answer>",
            "(B) two chairs",
            "The answer is B because A is wrong.",
            "Answer: **B**",
            "First I thought of A, but it is B",
            "There are two chairs in it.",
        ] {
            assert_eq!(chosen(text), Some('B'), "{text}");
        }
        for text in ["", "Bird", "2", "one chair or two chairs", "two chairsome"] {
            assert_eq!(chosen(text), None, "{text}");
        }
    }

    #[test]
    fn the_gold_answer_may_be_a_text() {
        let value = |gold: &str, response: &str| {
            let input = RewardInput {
                prompt: PROMPT,
                ..RewardInput::new(response, gold)
            };
            CvBench::default().score(&input).map(|scored| scored.value)
        };
        assert_eq!(value("a bench", "C"), Ok(1.0));
        assert_eq!(value("(A) one chair", "one chair"), Ok(1.0));
        assert!(value("a table", "C").is_err());
        assert!(value("", "C").is_err());
    }
}
