//! Accuracy as lmms-eval's judge-free reasoning tasks compute it, faults included.

use super::Options;
use crate::{
    Reward, RewardError, RewardFn, RewardInput,
    extract::{is_blank, python_strip},
    math::{self, Profile, Verifier},
};
use serde::{Deserialize, Serialize};

/// 1 where lmms-eval's `acc_reward` gives a point without its judge model, else 0.
///
/// The answer is the first `<answer>`, else the last `\boxed{}`, else, from the last line upwards,
/// a number at a line's end. If the gold answer is a letter A to H for `parse_mcq`, both sides are
/// read as letters by it and nothing else counts but math-verify. Otherwise the answer is right where
/// it equals the gold answer, or one holds the other and has nine tenths of its length, or for
/// math-verify.
///
/// It is here so that numbers can be compared. `parse_mcq` takes any capital A to H for a letter, so
/// it finds "Cube" right for "Circle", and the containment finds 123456789 right for 1234567890.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LmmsReasoning {}

impl Options for LmmsReasoning {
    const NAME: &'static str = "lmms_reasoning";
    const PART: &'static str = "accuracy";
    const RANGE: (f64, f64) = (0.0, 1.0);
    const ABOUT: &'static str =
        "lmms-eval's rule of its reasoning tasks without a judge, faults included";
    const SOURCE: &'static str = "lmms-eval 0.7.3, tasks/_task_utils/reasoning_utils.py";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        let compare = math::Options {
            compat: true,
            ..math::Options::default()
        };
        Ok(Box::new(Judge {
            verifier: Verifier::with_options(Profile::MathVerify, compare),
        }))
    }
}

struct Judge {
    verifier: Verifier,
}

/// The letters that are options.
const LETTERS: &str = "ABCDEFGH";
/// Of an answer and a gold answer one of which holds the other: how much of the longer one the
/// shorter has to be.
const ENOUGH: f64 = 0.9;

fn extracted(response: &str) -> &str {
    if let Some((_, rest)) = response.split_once("<answer>")
        && let Some((answer, _)) = rest.split_once("</answer>")
    {
        return answer;
    }
    if let Some(answer) = last_closed_box(response).filter(|answer| !answer.is_empty()) {
        return answer;
    }
    let lines = python_strip(response).rsplit('\n');
    lines.filter_map(number_at_end).next().unwrap_or_default()
}

/// The content of the last `\boxed{` that closes. Each is one, inside of another or not.
fn last_closed_box(text: &str) -> Option<&str> {
    let mut open: Vec<(usize, bool)> = vec![];
    let mut last: Option<(usize, usize)> = None;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => open.push((at + 1, text[..at].ends_with("\\boxed"))),
            b'}' => {
                let closed = open.pop().filter(|(_, is_box)| *is_box);
                if let Some((start, _)) = closed
                    && last.is_none_or(|(other, _)| other < start)
                {
                    last = Some((start, at));
                }
            }
            _ => {}
        }
    }
    last.map(|(start, end)| &text[start..end])
}

/// The number that a line ends with, a full stop behind it or not: Python's
/// `\b(\d+(?:\.\d+)?)\b(?:\s*\.?\s*$)`.
fn number_at_end(line: &str) -> Option<&str> {
    let line = python_strip(line);
    let line = python_strip(line.strip_suffix('.').unwrap_or(line));
    let is_digit = |c: char| c.is_ascii_digit();
    let digits = |text: &str| text.len() - text.trim_end_matches(is_digit).len();
    let free = |from: usize| {
        let before = line[..from].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
    };
    let last = line.len() - digits(line);
    if last == line.len() {
        return None;
    }
    if let Some(head) = line[..last].strip_suffix('.') {
        let first = head.len() - digits(head);
        if first < head.len() && free(first) {
            return Some(&line[first..]);
        }
    }
    free(last).then(|| &line[last..])
}

/// lmms-eval's `simple_parse`.
fn simple(text: &str) -> &str {
    python_strip(text.strip_suffix('.').unwrap_or(text))
}

/// What may stand before a letter so that it counts as announced.
const PHRASES: [&str; 23] = [
    "the answer is",
    "answer is",
    "the correct answer is",
    "correct answer is",
    "the answer",
    "answer",
    "correct answer",
    "the correct answer",
    "the best answer is",
    "best answer is",
    "the best answer",
    "best answer",
    "the option is",
    "option is",
    "the correct option is",
    "correct option is",
    "the choice is",
    "choice is",
    "the correct choice is",
    "correct choice is",
    "i choose",
    "i select",
    "i pick",
];

/// lmms-eval's `parse_mcq`: the letter of the best form, of several the first.
fn letter(text: &str) -> Option<char> {
    let mut text = python_strip(text);
    for c in [',', '.', '!', '?', ';', ':', '\'', '"'] {
        text = text.trim_matches(c);
    }
    let padded = format!(" {text} ");
    let whole = python_strip(&padded);
    // Form and place; the last place of a form counts.
    let mut best: Option<((u8, std::cmp::Reverse<usize>), char)> = None;
    let mut add = |rank: u8, place: Option<usize>, letter: char| {
        if let Some(place) = place {
            let key = (rank, std::cmp::Reverse(place));
            if best.is_none_or(|(other, _)| key > other) {
                best = Some((key, letter));
            }
        }
    };
    for (before, after, rank) in [
        ("(", ")", 6),
        ("", ".", 5),
        ("", ":", 4),
        ("", ")", 3),
        ("", " ", 2),
        ("", "-", 1),
        ("", "_", 1),
        ("", "=", 1),
    ] {
        for letter in LETTERS.chars() {
            add(
                rank,
                padded.rfind(&format!("{before}{letter}{after}")),
                letter,
            );
        }
    }
    let lower = padded.to_ascii_lowercase();
    for phrase in PHRASES.iter().chain(&["my answer is", "my choice is"]) {
        if let Some(start) = lower.find(phrase) {
            for letter in LETTERS.chars() {
                add(7, padded[start..].find(letter).map(|at| start + at), letter);
            }
        }
    }
    for letter in LETTERS.chars() {
        add(10, whole.starts_with(letter).then_some(0), letter);
        add(9, whole.ends_with(letter).then_some(padded.len()), letter);
    }
    for (i, letter) in LETTERS.chars().enumerate() {
        add(8, padded.rfind(&format!("{}. {letter}", i + 1)), letter);
    }
    if best.is_none() {
        let mut best: Option<(usize, char)> = None;
        for letter in LETTERS.chars() {
            if let Some(at) = padded.rfind(letter)
                && best.is_none_or(|(other, _)| at < other)
            {
                best = Some((at, letter));
            }
        }
        return best.map(|(_, letter)| letter);
    }
    best.map(|(_, letter)| letter)
}

impl RewardFn for Judge {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        if is_blank(input.answer) {
            let expected = "expected a text that is not empty";
            return Err(RewardError::gold(
                LmmsReasoning::NAME,
                input.answer,
                expected,
            ));
        }
        let answer = simple(python_strip(extracted(input.response)));
        let gold = simple(input.answer);
        let length = |text: &str| text.chars().count() as f64;
        let holds = |long: &str, short: &str| {
            long.contains(short) && length(short) >= ENOUGH * length(long)
        };
        let same = match letter(gold) {
            Some(expected) => letter(answer) == Some(expected),
            None => holds(gold, answer) || holds(answer, gold),
        };
        let equal = || {
            let gold = self.verifier.parse_gold(gold);
            gold.is_ok_and(|gold| self.verifier.verify_gold(&gold, answer).is_equal())
        };
        Ok(Reward::verdict(LmmsReasoning::PART, same || equal()))
    }

    fn part_names(&self) -> Vec<String> {
        vec![LmmsReasoning::PART.into()]
    }
}
