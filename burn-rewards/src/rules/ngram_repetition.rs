//! A punishment for saying the same words again.

use super::Options;
use crate::{Reward, RewardError, RewardFn, RewardInput, extract::is_python_space};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// `−penalty · (1 − distinct n-grams / n-grams)` over the words of the response.
///
/// Words are what white space separates, without case; so is each Chinese or Japanese character,
/// and what follows a comma or full stop without a space. Fewer than `n` words are no repetition.
/// "Demystifying Long Chain-of-Thought Reasoning" (arXiv:2502.03373), appendix C.2, in the form of
/// open-r1's `get_repetition_penalty_reward`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NgramRepetition {
    /// Words in an n-gram.
    pub n: usize,
    /// The largest punishment.
    pub penalty: f64,
}

impl Default for NgramRepetition {
    fn default() -> Self {
        Self { n: 3, penalty: 1.0 }
    }
}

impl Options for NgramRepetition {
    const NAME: &'static str = "ngram_repetition";
    const PART: &'static str = "repetition";
    const RANGE: (f64, f64) = (-1.0, 0.0);
    const ABOUT: &'static str = "a punishment by the share of repeated n-grams of words";
    const SOURCE: &'static str =
        "arXiv:2502.03373, appendix C.2; open-r1 get_repetition_penalty_reward";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[
        ("n", "words in an n-gram, 1 to 64"),
        ("penalty", "the largest punishment"),
    ];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        super::at_least("penalty", self.penalty, 0.0)?;
        match (1..=64).contains(&self.n) {
            true => Ok(Box::new(self)),
            false => Err(format!("option `n` is {}, expected 1 to 64", self.n)),
        }
    }
}

impl NgramRepetition {
    /// Share of n-grams that occurred before.
    fn repeated(&self, response: &str) -> f64 {
        let lower = response.to_lowercase();
        let mut ids: HashMap<&str, u32> = HashMap::new();
        let mut words = vec![];
        for word in lower.split(is_python_space).flat_map(lower_words) {
            let next = ids.len() as u32;
            words.push(*ids.entry(word).or_insert(next));
        }
        let all = words.windows(self.n.max(1));
        let total = all.len();
        if total == 0 {
            return 0.0;
        }
        let distinct = all.collect::<HashSet<_>>().len();
        1.0 - distinct as f64 / total as f64
    }
}

/// The words of a text without white space: `wait,wait` is two, `你好` is two.
fn lower_words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end = if is_ideograph(first) {
            first.len_utf8()
        } else {
            let mut chars = rest.char_indices().peekable();
            loop {
                let Some((at, c)) = chars.next() else {
                    break rest.len();
                };
                let Some((next_at, next)) = chars.peek().copied() else {
                    break rest.len();
                };
                let mark = at > 0 && ",.;:!?".contains(c) && next.is_alphabetic();
                if mark || is_ideograph(next) {
                    break next_at;
                }
            }
        };
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(word)
    })
}

/// Whether `c` is written without spaces around its words.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}')
}

impl RewardFn for NgramRepetition {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let value = 0.0 - self.repeated(input.response) * self.penalty;
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
    fn repeated_trigrams_count() {
        let value = |text: &str| {
            let input = RewardInput::new(text, "");
            NgramRepetition::default().score(&input).unwrap().value
        };
        assert_eq!(value(""), 0.0);
        assert_eq!(value("one two"), 0.0);
        assert_eq!(value("one two three four"), 0.0);
        // Four trigrams, of which "a b c" twice.
        assert_eq!(value("a b C\na b c"), -0.25);
        assert_eq!(value(&"x ".repeat(1002)), -0.999);
        assert_eq!(value("你好吗"), 0.0);
        assert!(value(&"你好".repeat(50)) < -0.9);
        assert!(value(&"wait,".repeat(50)) < -0.9);
        assert_eq!(value("3,000.50 is 3,000.50"), 0.0);
    }
}
