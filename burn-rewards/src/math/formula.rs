//! The text of one match to its readings: boxes and units off, then lexed and parsed.

use std::borrow::Cow;

use super::boxes;
use super::config::{BoxedMode, Normalization};
use super::decide;
use super::dress;
use super::lex::{Commas, lex};
use super::limits::MAX_SPAN;
use super::parse::{Grammar, parse_tokens};
use super::parsed::{Parsed, Unparsed};
use super::quantity;
use super::statement;
use super::tree::{Expr, Number};
use super::unit_expr;
use super::units::without_unit;

/// Longest text whose elements lose their units one by one.
const MAX_LIST: usize = 512;

/// What the text of one match says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    /// Readings, best first; or why there is none.
    pub(crate) values: Result<Vec<Expr>, Unparsed>,
    /// The text after clean-up.
    pub(crate) text: String,
}

/// Reads `content` as mathematics.
pub(crate) fn read(content: &str, normalization: &Normalization) -> Reading {
    if content.len() > MAX_SPAN {
        return Reading {
            values: Err(Unparsed::Limit),
            text: String::new(),
        };
    }
    let content: Cow<'_, str> = match normalization.boxed {
        BoxedMode::Keep => Cow::Borrowed(content),
        mode => boxes::contents(content, mode),
    };
    let text = without_last_comma(dress::without_lead(content.trim()));
    let grammar = Grammar {
        malformed_operators: normalization.malformed_operators,
    };
    if let Some(reading) = unwrapped(text, normalization.units, grammar) {
        return reading;
    }
    let (values, text) = value(text, normalization.units, grammar);
    Reading {
        values,
        text: canonical(&text),
    }
}

/// `text` without the comma or semicolon that ends it, if it is the only one: `3,`.
fn without_last_comma(text: &str) -> &str {
    let shorter = text.strip_suffix([',', ';']).map(str::trim_end);
    shorter
        .filter(|rest| !rest.is_empty() && !rest.contains([',', ';']))
        .unwrap_or(text)
}

/// What stands in a font command around all of the answer, if that is a formula; the words are
/// the second reading.
fn unwrapped(text: &str, units: bool, grammar: Grammar) -> Option<Reading> {
    let inner = dress::unwrapped(text)?;
    if statement::has_prose(inner) {
        return None;
    }
    let (values, _) = value(dress::without_lead(inner), units, grammar);
    let mut values = values.ok()?;
    values.push(Expr::Text(single_spaced(inner).into()));
    Some(Reading {
        values: Ok(values),
        text: canonical(inner),
    })
}

/// A quantity, or a formula without its units; with the text that was read.
fn value(text: &str, units: bool, grammar: Grammar) -> (Result<Vec<Expr>, Unparsed>, Cow<'_, str>) {
    if !units {
        return (formula(text, grammar), Cow::Borrowed(text));
    }
    if let Some(quantity) = quantity::compound(text) {
        let value = Expr::Text(quantity.as_str().into());
        return (Ok(vec![value]), Cow::Borrowed(text));
    }
    if let Some(time) = quantity::time_of_day(text) {
        return (Ok(time.readings()), Cow::Borrowed(text));
    }
    let bare = without_units(text);
    if let Some((head, factor)) = quantity::magnitude(&bare) {
        let times = |value| Expr::Mul(vec![value, Expr::Number(Number::integer(factor))]);
        let values = formula(head, grammar);
        let values = values.map(|all| all.into_iter().map(times).collect());
        return (values, Cow::Owned(bare.into_owned()));
    }
    let mut values = formula(&bare, grammar);
    if let (Ok(all), Some(degrees)) = (&mut values, unit_expr::without_scale(&bare)) {
        all.extend(formula(degrees, grammar).unwrap_or_default());
    }
    (values, bare)
}

fn formula(text: &str, grammar: Grammar) -> Result<Vec<Expr>, Unparsed> {
    let values = readings(text, grammar).or_else(|error| match last_side(text) {
        Some(side) => readings(side, grammar),
        None => Err(error),
    });
    values.map(|mut values| {
        values.extend(approximation(text, grammar, &values));
        values
    })
}

/// The decimal that an exact value is said to be near, if it is: `\sqrt2 \approx 1.41`.
fn approximation(text: &str, grammar: Grammar, exact: &[Expr]) -> Option<Expr> {
    let (_, decimal) = text
        .rsplit_once("\\approx")
        .or_else(|| text.rsplit_once('≈'))?;
    let number = |values: Vec<Expr>| {
        decide::number(&Parsed {
            values,
            ..Parsed::default()
        })
    };
    let decimal = decimal.trim().trim_end_matches(')').trim();
    let places = decimal.split_once('.').map_or(0, |(_, d)| d.trim().len());
    let near = readings(without_unit(decimal), grammar)
        .ok()?
        .into_iter()
        .next()?;
    let (a, b) = (number(exact.to_vec())?, number(vec![near.clone()])?);
    let unit = 10_f64.powi(-i32::try_from(places.min(300)).ok()?);
    ((a - b).abs() <= unit).then_some(near)
}

/// `text` without the unit at its end, or at the end of each of its elements.
fn without_units(text: &str) -> Cow<'_, str> {
    let text = without_unit(text);
    let lists = text.contains([',', ';']) || text.contains("and") || text.contains("or");
    if text.len() > MAX_LIST || !lists {
        return Cow::Borrowed(text);
    }
    // Between brackets around all of the list.
    for (open, close) in [("\\{", "\\}"), ("{", "}"), ("(", ")"), ("[", "]")] {
        if let Some(inner) = text.strip_prefix(open).and_then(|t| t.strip_suffix(close))
            && !inner.contains(['(', ')', '[', ']', '{', '}'])
        {
            return Cow::Owned(format!("{open}{}{close}", without_element_units(inner)));
        }
    }
    without_element_units(text)
}

fn without_element_units(text: &str) -> Cow<'_, str> {
    let mut out = String::with_capacity(text.len());
    let (mut from, mut depth) = (0, 0_i32);
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        match bytes[at] {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
        let separator = match bytes[at] {
            b',' | b';' if depth == 0 => 1,
            b'\\' if depth == 0 && rest.starts_with(b"\\text{ and }") => 12,
            b'\\' if depth == 0 && rest.starts_with(b"\\text{ or }") => 11,
            b' ' if depth == 0 && rest.starts_with(b" and ") => 5,
            b' ' if depth == 0 && rest.starts_with(b" or ") => 4,
            _ => 0,
        };
        if separator > 0 {
            out.push_str(without_unit(&text[from..at]));
            out.push_str(&text[at..at + separator]);
            from = at + separator;
            at = from;
        } else {
            at += 1;
        }
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(without_unit(&text[from..]));
    Cow::Owned(out)
}

/// All readings of `text`: numbers with thousands separators first, lists second; and words where
/// it is only letters.
fn readings(text: &str, grammar: Grammar) -> Result<Vec<Expr>, Unparsed> {
    if let Some(decimal) = decimal_comma(text) {
        return readings(&decimal, grammar);
    }
    let words = only_words(text);
    if let Some(words) = words
        && words.len() > 12
    {
        return Ok(vec![Expr::Text(single_spaced(words).into())]);
    }
    let lexed = lex(text, Commas::Thousands)?;
    let parsed = parse_tokens(text, &lexed.tokens, grammar);
    let mut values = Vec::with_capacity(1);
    if lexed.bare_comma && !matches!(&parsed, Ok(value) if is_number(value)) {
        let split = lex(text, Commas::Elements)?;
        let list = parse_tokens(text, &split.tokens, grammar);
        match (parsed, list) {
            (Ok(number), list) => {
                values.push(number);
                values.extend(list.ok());
            }
            (Err(_), Ok(list)) => values.push(list),
            (Err(error), Err(_)) => return Err(error),
        }
    } else {
        values.push(parsed?);
    }
    if let Some(words) = words {
        values.push(Expr::Text(single_spaced(words).into()));
    }
    Ok(values)
}

fn is_number(value: &Expr) -> bool {
    match value {
        Expr::Number(_) => true,
        Expr::Neg(inner) | Expr::Percent(inner) => is_number(inner),
        _ => false,
    }
}

/// `0,333` with exactly three decimals, which no list of integers looks like.
fn decimal_comma(text: &str) -> Option<String> {
    let digits = text.strip_prefix('-').unwrap_or(text).strip_prefix("0,")?;
    (digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.replace(',', "."))
}

/// `text` if it is words: at least two letters, nothing but letters and single spaces.
fn only_words(text: &str) -> Option<&str> {
    let letters = text.bytes().filter(u8::is_ascii_alphabetic).count();
    let words = letters > 1
        && text
            .bytes()
            .all(|b| b.is_ascii_alphabetic() || b == b' ' || b == b'\t');
    // "and" and "or" separate values.
    let separated = text.split_whitespace().any(|w| w == "and" || w == "or");
    (words && !separated).then_some(text)
}

fn single_spaced(words: &str) -> String {
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The last side of an equation of three sides and more, for one whose other sides do not parse.
fn last_side(text: &str) -> Option<&str> {
    if text.contains([',', ';']) {
        return None;
    }
    let bytes = text.as_bytes();
    let mut signs = bytes.iter().enumerate().rev().filter(|(at, b)| {
        **b == b'=' && (*at == 0 || !matches!(bytes[at - 1], b'\\' | b'<' | b'>' | b'!'))
    });
    let last = signs.next()?.0;
    signs.next()?;
    Some(text[last + 1..].trim())
}

/// The text with what does not matter removed: spaces, sizes, style.
fn canonical(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut space = false;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = skippable(rest) {
            rest = after;
            space = true;
            continue;
        }
        if space && c.is_alphanumeric() && out.ends_with(char::is_alphanumeric) {
            out.push(' ');
        }
        space = false;
        let frac = ["\\dfrac", "\\tfrac", "\\cfrac"]
            .iter()
            .find_map(|f| rest.strip_prefix(f));
        if let Some(after) = frac {
            out.push_str("\\frac");
            rest = after;
            continue;
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
        if c == '\\'
            && let Some(next) = rest.chars().next()
        {
            out.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    out
}

/// What follows if `rest` begins with spacing.
fn skippable(rest: &str) -> Option<&str> {
    if rest.starts_with(|c: char| c.is_whitespace() || c == '$' || c == '~') {
        let mut chars = rest.chars();
        chars.next();
        return Some(chars.as_str());
    }
    if !rest.starts_with('\\') {
        return None;
    }
    for spacing in [
        "\\,",
        "\\;",
        "\\:",
        "\\!",
        "\\ ",
        "\\$",
        "\\displaystyle",
        "\\quad",
    ] {
        if let Some(after) = rest.strip_prefix(spacing) {
            return Some(after);
        }
    }
    for size in ["\\left", "\\right"] {
        if let Some(after) = rest.strip_prefix(size)
            && !after.starts_with(|c: char| c.is_ascii_alphabetic())
        {
            return Some(after);
        }
    }
    None
}
