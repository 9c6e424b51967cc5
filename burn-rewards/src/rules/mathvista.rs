//! Accuracy as MathVista's authors compute it from an extracted answer.

use super::{Options, numeric};
use crate::{
    Reward, RewardError, RewardFn, RewardInput,
    extract::{announced, last_answer_tag, last_box},
    math,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// 1 where the answer is right by MathVista's rule, else 0.
///
/// The row's fields `question_type`, `answer_type`, `precision` and `choices` say how answers are
/// compared:
///
/// - `multi_choice`: a letter in parentheses or alone is that option, any other text the option at
///   the smallest edit distance; it must equal the gold option's text.
/// - `integer`: the number, cut to a whole one.
/// - `float`: the number, rounded to `precision` decimals.
/// - `list`, `text`: the text.
///
/// The authors ask GPT-4 for the answer in the response. Here it is the last `<answer>`, else the
/// last `\boxed{}`, else what follows the last "answer is" in its line; a response without any of
/// them is wrong. Dollar signs, `\text{…}` and a full stop around it are left out, and a number may
/// have a unit.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MathVista {}

impl Options for MathVista {
    const NAME: &'static str = "mathvista";
    const PART: &'static str = "accuracy";
    const RANGE: (f64, f64) = (0.0, 1.0);
    const ABOUT: &'static str =
        "MathVista's comparison by `question_type`, `answer_type` and `precision` of the row";
    const SOURCE: &'static str = "MathVista, evaluation/calculate_score.py (arXiv:2310.02255)";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        Ok(Box::new(self))
    }
}

/// The answer in a response, without what is set around it.
fn extracted(response: &str) -> Option<&str> {
    let line = |text| announced(text).and_then(|after| after.trim_start().lines().next());
    let mut text = last_answer_tag(response)
        .or_else(|| last_box(response).map(|(_, content)| content))
        .or_else(|| line(response))?;
    if let Some((_, inside)) = last_box(text) {
        text = inside;
    }
    text = text.trim();
    loop {
        let mut inner = text.trim_matches(|c: char| c.is_whitespace() || "$*".contains(c));
        for open in ["\\text{", "\\textbf{", "\\mathrm{"] {
            let inside = inner.strip_prefix(open).and_then(|t| t.strip_suffix('}'));
            inner = inside.unwrap_or(inner);
        }
        inner = inner.strip_suffix('.').unwrap_or(inner);
        if inner == text {
            return Some(text);
        }
        text = inner;
    }
}

/// The options, which VLMEvalKit's table writes as text.
fn choices(input: &RewardInput<'_>) -> Vec<String> {
    let parsed;
    let list = match input.field("choices") {
        Some(Value::String(text)) => {
            parsed = crate::extract::python_list(text);
            return parsed.unwrap_or_default();
        }
        Some(Value::Array(list)) => list,
        _ => return vec![],
    };
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    list.iter().map(text).collect()
}

fn chosen<'a>(answer: &str, choices: &'a [String]) -> Option<&'a str> {
    let letter = |c: char| {
        let at = u32::from(c).checked_sub(u32::from('A'))?;
        choices.get(usize::try_from(at).ok()?)
    };
    let mut marks = answer.match_indices('(').filter_map(|(at, open)| {
        let mut inside = answer[at + open.len()..].chars();
        let letter = inside.next().filter(char::is_ascii_alphabetic)?;
        (inside.next() == Some(')')).then_some(letter)
    });
    let marked = marks
        .next()
        .map(|letter| letter.to_ascii_uppercase().to_string());
    let answer = marked.as_deref().unwrap_or(answer);
    let mut chars = answer.chars();
    let alone = chars
        .next()
        .filter(|c| c.is_ascii_uppercase() && chars.next().is_none());
    let nearest = || choices.iter().min_by_key(|choice| distance(answer, choice));
    let chosen = alone.and_then(letter).or_else(nearest);
    chosen.map(String::as_str)
}

/// Characters of an answer that are compared with options; no option is longer.
const LONGEST: usize = 1000;

/// Levenshtein's.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(LONGEST).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(LONGEST).enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = replaced.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// The number that an answer is, a unit behind it left out.
fn number(text: &str) -> Option<f64> {
    if let Ok(number) = text.replace(',', "").parse::<f64>() {
        return number.is_finite().then_some(number);
    }
    let mut all = numeric::numbers(text);
    let one = all.next().filter(|_| all.next().is_none())?;
    let whole = !math::denies(text) && !math::changes_value(text);
    // `numbers` takes hundredths for a percent sign; MathVista's golds have the digits.
    whole.then(|| if text.contains('%') { one * 100.0 } else { one })
}

impl RewardFn for MathVista {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let refuse = |expected: &str| RewardError::gold(Self::NAME, input.answer, expected);
        let field = |name| input.field(name).and_then(Value::as_str);
        let gold = input.answer.trim();
        if gold.is_empty() {
            return Err(refuse("expected a text that is not empty"));
        }
        let answer = extracted(input.response);
        let correct = if field("question_type") == Some("multi_choice") {
            let choices = choices(input);
            if !choices.iter().any(|choice| choice.trim() == gold) {
                return Err(refuse("expected the text of one of the row's `choices`"));
            }
            let chosen = answer.and_then(|answer| chosen(answer, &choices));
            chosen.is_some_and(|chosen| chosen.trim() == gold)
        } else {
            match field("answer_type") {
                Some("integer") => {
                    let expected = number(gold).ok_or_else(|| refuse("expected a number"))?;
                    let found = answer.and_then(number);
                    found.is_some_and(|found| found.trunc() == expected.trunc())
                }
                Some("float") => {
                    let expected = number(gold).ok_or_else(|| refuse("expected a number"))?;
                    let decimals = match input.field("precision") {
                        Some(Value::String(text)) => text.parse().ok(),
                        Some(value) => value.as_f64(),
                        None => None,
                    };
                    let decimals = decimals.filter(|p| (0.0..=9.0).contains(p) && p.fract() == 0.0);
                    let decimals = decimals.ok_or_else(|| {
                        refuse("expected `precision` in the row, the number of decimals")
                    })?;
                    let round = |x: f64| format!("{x:.*}", decimals as usize);
                    answer
                        .and_then(number)
                        .is_some_and(|x| round(x) == round(expected))
                }
                Some("text" | "list") => answer == Some(gold),
                other => {
                    let found = other.unwrap_or("nothing");
                    return Err(refuse(&format!(
                        "`answer_type` of the row is {found}, expected `text`, `integer`, `float` \
                         or `list`"
                    )));
                }
            }
        };
        Ok(Reward::verdict(Self::PART, correct))
    }

    fn part_names(&self) -> Vec<String> {
        vec![Self::PART.into()]
    }
}
