//! Accuracy of a number within a tolerance.

use super::Options;
use crate::{
    Reward, RewardError, RewardFn, RewardInput,
    extract::{last_answer_tag, last_box},
    math,
};
use serde::{Deserialize, Serialize};

/// 1 where `|number − gold| ≤ max(abs_tol, rel_tol · |gold|)`, else 0.
///
/// The number is the only one in the last `<answer>`, else the only one in the last `\boxed{}`,
/// else the last one of the response. Thousands separators, fractions, powers of ten, words such as
/// "million", a currency sign and a percent sign are read; where only one side has a percent sign,
/// it may be a hundredth or a unit. A number that words deny or bound ("not 7") is none. The default is ChartQA's relaxed accuracy.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Numeric {
    /// Allowed difference as a share of the gold answer.
    pub rel_tol: f64,
    /// Allowed difference.
    pub abs_tol: f64,
    /// Whether a number outside `<answer>` and `\boxed{}` counts.
    pub anywhere: bool,
}

impl Default for Numeric {
    fn default() -> Self {
        Self {
            rel_tol: 0.05,
            abs_tol: 0.0,
            anywhere: true,
        }
    }
}

impl Options for Numeric {
    const NAME: &'static str = "numeric";
    const PART: &'static str = "accuracy";
    const RANGE: (f64, f64) = (0.0, 1.0);
    const ABOUT: &'static str = "the number is within a tolerance of the gold answer";
    const SOURCE: &'static str = "relaxed accuracy of ChartQA, arXiv:2203.10244, section 5";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[
        (
            "rel_tol",
            "allowed difference as a share of the gold answer",
        ),
        ("abs_tol", "allowed difference"),
        (
            "anywhere",
            "whether a number outside <answer> and \\boxed{} counts",
        ),
    ];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        super::at_least("rel_tol", self.rel_tol, 0.0)?;
        super::at_least("abs_tol", self.abs_tol, 0.0)?;
        Ok(Box::new(self))
    }
}

/// A number as it is stated.
#[derive(Debug, Clone, Copy)]
struct Stated {
    value: f64,
    /// Whether a percent sign stands behind it; the value is then a hundredth of the digits.
    percent: bool,
}

impl Numeric {
    fn found(&self, response: &str) -> Option<Stated> {
        let stated = last_answer_tag(response).or_else(|| last_box(response).map(|(_, text)| text));
        match stated {
            Some(text) => only(text),
            None if self.anywhere => math::number(response).map(Stated::from).or_else(|| {
                let value = numbers(response).last()?;
                Some(Stated {
                    value,
                    percent: false,
                })
            }),
            None => None,
        }
    }

    /// Whether a number is near enough. Where only one side has a percent sign, it may be a unit.
    fn accepts(&self, gold: Stated, found: Stated) -> bool {
        let near = |gold: f64, found: f64| {
            (found - gold).abs() <= self.abs_tol.max(self.rel_tol * gold.abs())
        };
        let digits = |stated: Stated| match stated.percent {
            true => stated.value * 100.0,
            false => stated.value,
        };
        near(gold.value, found.value)
            || gold.percent != found.percent && near(digits(gold), digits(found))
    }
}

impl From<(f64, bool)> for Stated {
    fn from((value, percent): (f64, bool)) -> Self {
        Self { value, percent }
    }
}

/// The one number that a text is or holds; none where words deny or bound it.
fn only(text: &str) -> Option<Stated> {
    if let Some(number) = math::number(text) {
        return Some(number.into());
    }
    let mut all = numbers(text);
    let value = all.next().filter(|_| all.next().is_none())?;
    let percent = text.contains('%');
    (!math::denies(text) && !math::changes_value(text)).then_some(Stated { value, percent })
}

/// The numbers of a text: a sign, digits with thousands commas, a fraction, an exponent and a
/// percent sign. Digits glued to a letter before them (`x2`) are a name.
pub(super) fn numbers(text: &str) -> impl Iterator<Item = f64> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + text[at..].find(|c: char| c.is_ascii_digit() || c == '.')?;
            let (value, end) = number(text, start);
            at = end;
            if let Some(value) = value {
                return Some(value);
            }
        }
    })
}

/// The number at `start`, if there is one, and where to go on.
fn number(text: &str, start: usize) -> (Option<f64>, usize) {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let run = |mut at: usize| {
        while digit(at) {
            at += 1;
        }
        at
    };
    let mut end = run(start);
    let first = end - start;
    if (1..=3).contains(&first) {
        while bytes.get(end) == Some(&b',') && run(end + 1) == end + 4 {
            end += 4;
        }
    }
    if bytes.get(end) == Some(&b'.') && digit(end + 1) {
        end = run(end + 1);
    }
    if end == start {
        return (None, start + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if digit(end + 1 + sign) {
            end = run(end + 1 + sign);
        }
    }
    let before = text[..start].chars().next_back();
    if before.is_some_and(|c| c.is_alphabetic() || c == '_') {
        return (None, end);
    }
    let Ok(size) = text[start..end].replace(',', "").parse::<f64>() else {
        return (None, end);
    };
    let head = text[..start].trim_end_matches(['$', '€', '£', '¥', '\\']);
    let sign = head.chars().next_back().filter(|c| "-−".contains(*c));
    // `3-2` is a difference or a range, not a negative number.
    let negative = sign.is_some_and(|c| {
        let left = &head[..head.len() - c.len_utf8()];
        !left.ends_with(|c: char| c.is_alphanumeric() || c == ')')
    });
    let after = text[end..].trim_start_matches([' ', '\\']);
    let percent = if after.starts_with('%') { 0.01 } else { 1.0 };
    let value = size * percent * if negative { -1.0 } else { 1.0 };
    (value.is_finite().then_some(value), end)
}

impl RewardFn for Numeric {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let gold = only(crate::extract::stated(input.answer)).ok_or_else(|| {
            RewardError::gold(Self::NAME, input.answer, "expected exactly one number")
        })?;
        let found = self.found(input.response);
        let correct = found.is_some_and(|found| self.accepts(gold, found));
        Ok(Reward::verdict(Self::PART, correct))
    }

    fn part_names(&self) -> Vec<String> {
        vec![Self::PART.into()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<f64> {
        numbers(text).collect()
    }

    #[test]
    fn numbers_as_people_write_them() {
        assert_eq!(all("1,234.5 and .5, -3 or −4"), [1234.5, 0.5, -3.0, -4.0]);
        assert_eq!(all("12,34 1,2345"), [12.0, 34.0, 1.0, 2345.0]);
        assert_eq!(all("$5, -$6, 1e3, 2E-1, 7e"), [5.0, -6.0, 1000.0, 0.2, 7.0]);
        assert_eq!(all("50% 12.5 \\%"), [0.5, 0.125]);
        assert_eq!(all("x2 v_3 3-2 1.2.3 ..."), [3.0, 2.0, 1.2, 0.3]);
        assert_eq!(all("1e999 é5 ５"), [0.0; 0]);
    }

    #[test]
    fn within_five_percent() {
        let value = |response: &str, gold: &str| {
            let input = RewardInput::new(response, gold);
            Numeric::default().score(&input).unwrap().value
        };
        assert_eq!(value("<answer>95</answer>", "100"), 1.0);
        assert_eq!(value("<answer>94.9</answer>", "100"), 0.0);
        assert_eq!(value("<answer>-105</answer>", "-100"), 1.0);
        assert_eq!(value(r"so \boxed{0.5}", "50%"), 1.0);
        assert_eq!(value("first 3, then 100.", "100"), 1.0);
        assert_eq!(
            value("<answer>99 or 500</answer>", "100"),
            0.0,
            "two answers"
        );
        assert_eq!(value("<answer>none</answer> 100", "100"), 0.0);
        assert_eq!(value("<answer>0.001</answer>", "0"), 0.0);
        for (text, gold) in [
            ("- 8", "-8"),
            ("7 000", "7000"),
            ("7{,}000", "7000"),
            ("7/2", "3.5"),
            ("70", "70%"),
            ("7 million", "7000000"),
        ] {
            assert_eq!(
                value(&format!("<answer>{text}</answer>"), gold),
                1.0,
                "{text}"
            );
        }
        for text in [
            "not 7",
            "7 million",
            "at least 7",
            "7 or 8",
            "- 7",
            "7/2",
            "0.07",
        ] {
            assert_eq!(
                value(&format!("<answer>{text}</answer>"), "7"),
                0.0,
                "{text}"
            );
        }
        let input = RewardInput::new("1", "one");
        assert!(Numeric::default().score(&input).is_err());
    }
}
