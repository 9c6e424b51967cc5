//! Accuracy as OlympiadBench's authors judge it.

use super::Options;
use crate::{
    Reward, RewardError, RewardFn, RewardInput,
    extract::{is_blank, last_answer_tag},
    math::{Profile, Verifier},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// 1 where the response gives the gold answers, in any order and no others, else 0.
///
/// The answers of a response are its boxes, joined by commas, after the last "So the final answer
/// is" (Chinese: 所以最终答案是) if that is there; without a box the formulas in dollar signs of its
/// last line, else all of it. Both sides lose what only dresses them (`\left`, `^\circ`, `%`,
/// `\mathrm{…}`), are split at commas outside of brackets, and `\pm` is two answers. Two answers
/// are the same where they are the same text, numbers within 1.01 times the row's tolerance, also
/// of a hundredth or the hundredfold of the gold answer, or equal for our verifier, where the authors
/// ask sympy.
///
/// The tolerance is the row's field `error`, one number or one for each gold answer, by default
/// 1e-8; an expression that is no plain number is not computed within it, which the authors do.
/// A last `<answer>` is looked at alone; the authors know none.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OlympiadBench {}

impl Options for OlympiadBench {
    const NAME: &'static str = "olympiadbench";
    const PART: &'static str = "accuracy";
    const RANGE: (f64, f64) = (0.0, 1.0);
    const ABOUT: &'static str =
        "all gold answers, in any order, numbers within the row's tolerance `error`";
    const SOURCE: &'static str = "OlympiadBench, eval/auto_scoring_judge.py (arXiv:2402.14008)";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        Ok(Box::new(Judge {
            verifier: Verifier::new(Profile::default()),
        }))
    }
}

/// The authors' tolerance of numbers where a row has none.
const TOLERANCE: f64 = 1e-8;
/// Answers that are paired; a response with more has not that many gold answers.
const MOST: usize = 64;

struct Judge {
    verifier: Verifier,
}

/// The answers in a text, joined by commas; none where a box does not close.
fn found(text: &str) -> Option<String> {
    let boxes = boxes(text)?;
    if !boxes.is_empty() {
        return Some(boxes.join(","));
    }
    let last = text.trim().lines().last().unwrap_or_default();
    let formulas: Vec<&str> = last.split('$').skip(1).step_by(2).collect();
    let closed = last.matches('$').count() / 2;
    Some(match formulas.get(..closed) {
        Some(formulas) if !formulas.is_empty() => formulas.join(","),
        _ => text.into(),
    })
}

/// The contents of all boxes, none inside another; none where one does not close.
fn boxes(text: &str) -> Option<Vec<&str>> {
    const OPEN: &str = "\\boxed{";
    let (mut all, mut from) = (vec![], 0);
    while let Some(at) = text[from..].find(OPEN) {
        let start = from + at + OPEN.len();
        let mut depth = 1;
        let end = text[start..].bytes().position(|byte| {
            depth += i32::from(byte == b'{') - i32::from(byte == b'}');
            depth == 0
        });
        let end = end?;
        all.push(&text[start..start + end]);
        from = start + end;
    }
    Some(all)
}

/// A text without what only dresses it.
fn bare(text: &str) -> String {
    const DRESS: [(&str, &str); 12] = [
        ("\\left", ""),
        ("\\right", ""),
        ("∶", ":"),
        ("，", ","),
        ("$", ""),
        ("\\approx", "="),
        ("\\simeq", "="),
        ("\\sim", "="),
        ("^\\prime", "'"),
        ("^{\\prime}", "'"),
        ("^\\circ", ""),
        ("%", ""),
    ];
    let text = text.split("\\in ").nth(1).unwrap_or(text);
    let text = DRESS
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    let mut text = text.trim_matches(|c| "\n$,.:;^_=+`!@#%&*~，。".contains(c));
    let mut out = String::new();
    while let Some((at, open)) = ["\\mathrm{", "\\mathbf{"]
        .iter()
        .filter_map(|open| Some((text.find(open)?, *open)))
        .min()
    {
        let inside = &text[at + open.len()..];
        let Some(end) = inside.find('}') else {
            break;
        };
        out.push_str(&text[..at]);
        out.push_str(inside[..end].trim_start_matches('~'));
        text = &inside[end + 1..];
    }
    out + text
}

/// The answers of a text: split at commas outside of brackets, `\pm` as two.
fn answers(text: &str) -> Vec<String> {
    let (mut parts, mut depth, mut start) = (vec![], 0_i32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if start < text.len() {
        parts.push(&text[start..]);
    }
    let signs = |part: &str| match part.contains("\\pm") {
        true => vec![part.replace("\\pm", "+"), part.replace("\\pm", "-")],
        false => vec![part.to_owned()],
    };
    parts
        .into_iter()
        .flat_map(|part| signs(part.trim()))
        .collect()
}

impl Judge {
    fn same(&self, gold: &str, answer: &str, tolerance: f64) -> bool {
        if gold == answer {
            return !gold.is_empty();
        }
        let number = |text: &str| text.parse::<f64>().ok().filter(|x| x.is_finite());
        if let (Some(gold), Some(answer)) = (number(gold), number(answer)) {
            let near = |gold: f64| (gold - answer).abs() <= 1.01 * tolerance;
            return near(gold) || near(gold / 100.0) || near(gold * 100.0);
        }
        let boxed = format!("$\\boxed{{{answer}}}$");
        self.verifier
            .verify(&format!("${gold}$"), &boxed)
            .is_equal()
    }

    /// Whether every gold answer has an answer of its own.
    fn paired(&self, golds: &[String], answers: &[String], tolerances: &[f64]) -> bool {
        let mut left: Vec<&String> = answers.iter().collect();
        golds.len() == answers.len()
            && golds.iter().enumerate().all(|(i, gold)| {
                let tolerance = tolerances.get(i).or(tolerances.last());
                let tolerance = tolerance.copied().unwrap_or(TOLERANCE);
                let same = left
                    .iter()
                    .position(|answer| self.same(gold, answer, tolerance));
                same.map(|at| left.remove(at)).is_some()
            })
    }
}

/// The tolerances of a row.
fn tolerances(error: Option<&Value>) -> Option<Vec<f64>> {
    let text = match error {
        None | Some(Value::Null) => return Some(vec![]),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) => text.clone(),
        Some(_) => return None,
    };
    let numbers = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let number = |part: &str| {
        part.parse::<f64>()
            .ok()
            .filter(|x| x.is_finite() && *x >= 0.0)
    };
    numbers.map(number).collect()
}

impl RewardFn for Judge {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let refuse =
            |expected: &str| RewardError::gold(OlympiadBench::NAME, input.answer, expected);
        if is_blank(input.answer) {
            return Err(refuse("expected a text that is not empty"));
        }
        let tolerances = tolerances(input.field("error"))
            .ok_or_else(|| refuse("`error` of the row is no tolerance, expected numbers"))?;
        let gold = found(input.answer).ok_or_else(|| refuse("expected boxes that close"))?;
        let gold = bare(&gold);
        let golds = answers(&gold);
        let response = last_answer_tag(input.response).unwrap_or(input.response);
        let after = ["So the final answer is ", "所以最终答案是"]
            .iter()
            .filter_map(|words| Some(response.rfind(words)? + words.len()))
            .max();
        let line = after.map_or(response, |at| {
            response[at..].lines().next().unwrap_or_default()
        });
        let correct = found(line).is_some_and(|answer| {
            let answer = bare(&answer);
            let given = answers(&answer);
            gold == answer || given.len() <= MOST && self.paired(&golds, &given, &tolerances)
        });
        Ok(Reward::verdict(OlympiadBench::PART, correct))
    }

    fn part_names(&self) -> Vec<String> {
        vec![OlympiadBench::PART.into()]
    }
}
