//! The text of one match to its readings: boxes and units off, then lexed and parsed.

use std::borrow::Cow;

use super::boxes;
use super::config::{BoxedMode, Normalization};
use super::lex::{Commas, lex};
use super::limits::MAX_SPAN;
use super::parse::{Grammar, parse_tokens};
use super::parsed::Unparsed;
use super::tree::Expr;
use super::units::without_unit;

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
        BoxedMode::All | BoxedMode::Last => boxes::contents(content, normalization.boxed),
    };
    let mut text = content.trim();
    if normalization.units {
        text = without_unit(text);
    }
    let grammar = Grammar {
        malformed_operators: normalization.malformed_operators,
    };
    let values = readings(text, grammar).or_else(|error| match last_side(text) {
        Some(side) => readings(side, grammar),
        None => Err(error),
    });
    Reading {
        values,
        text: canonical(text),
    }
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
