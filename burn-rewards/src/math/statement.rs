//! Texts all of which is the answer: gold answers as the columns of data sets hold them, and what
//! a response says in `<answer>`. Such a text is read whole or not at all.

use super::config::Normalization;
use super::dress;
use super::formula::{self, Reading};
use super::lex;
use super::tree::Expr;
use super::units::is_unit_word;
use super::words;

/// Longer texts are no statement.
const MAX_BYTES: usize = 2_048;

/// Most words that stand for a unit: `12 small red boxes`.
const MAX_UNIT_WORDS: usize = 4;

/// Reads `text` if all of it is one answer: no delimiter, no box, one line, and no words but those
/// of formulas and units.
pub(super) fn read(text: &str, normalization: &Normalization) -> Option<Reading> {
    let text = undressed(text);
    if text.is_empty() || text.len() > MAX_BYTES || delimited(text) {
        return None;
    }
    let text = dress::without_lead(text);
    let decimal = decimal_comma(text);
    let text = decimal.as_deref().unwrap_or(text);
    let text = counted(text).unwrap_or(text);
    if has_prose(text) || is_date(text) {
        return None;
    }
    let reading = formula::read(text, normalization);
    reading.values.is_ok().then_some(reading)
}

/// Reads `text` as words, if it is one line of them.
pub(super) fn read_words(text: &str) -> Option<Reading> {
    let text = undressed(text);
    let letters = text.chars().any(char::is_alphanumeric);
    if !letters || text.len() > MAX_BYTES || delimited(text) {
        return None;
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let words = words.join(" ");
    Some(Reading {
        values: Ok(vec![Expr::Text(words.as_str().into())]),
        text: words,
    })
}

/// Whether formulas or answers are marked off inside `text`.
pub(super) fn delimited(text: &str) -> bool {
    let marks = ["\\(", "\\[", "\\boxed", "\\fbox", "\n", "####", "<answer>"];
    let dollars = text.matches('$').count() - text.matches("\\$").count();
    let pairs = dollars > 1 || (dollars == 1 && !text.trim_start().starts_with(['$', '-', '−']));
    pairs || marks.iter().any(|m| text.contains(m))
}

/// `text` without markup, quotation marks and the full stop around it.
pub(super) fn undressed(text: &str) -> &str {
    const PAIRS: [(&str, &str); 8] = [
        ("**", "**"),
        ("__", "__"),
        ("*", "*"),
        ("_", "_"),
        ("`", "`"),
        ("\"", "\""),
        ("“", "”"),
        ("'", "'"),
    ];
    let mut rest = text.trim();
    loop {
        let before = rest.len();
        rest = rest.trim_end_matches(['。', '；', '，']).trim_end();
        if rest.ends_with('.') && !rest.ends_with("..") {
            rest = rest[..rest.len() - 1].trim_end();
        }
        for (open, close) in PAIRS {
            if let Some(inner) = rest.strip_prefix(open).and_then(|r| r.strip_suffix(close)) {
                rest = inner.trim();
            }
        }
        if rest.len() == before {
            return rest;
        }
    }
}

/// The number of `12 bananas`: what stands before a few plain words that leave it as it is.
fn counted(text: &str) -> Option<&str> {
    let digits = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, phrase) = text.split_at(digits);
    let number = number.trim_end();
    let plain = !number.is_empty()
        && number.len() < digits
        && number
            .chars()
            .all(|c| c.is_ascii_digit() || "-−.,$€£¥% /".contains(c))
        && number.ends_with(|c: char| c.is_ascii_digit());
    let words: Vec<&str> = phrase.split_whitespace().collect();
    let unit = words.len() <= MAX_UNIT_WORDS
        && words.iter().all(|w| is_common_word(w))
        && words.iter().any(|w| is_prose_word(w))
        && !words::changes_value(phrase)
        && !words::denies(phrase);
    (plain && unit).then_some(number)
}

/// `2,74 euros` with a point: a pair of numbers has no unit behind it without a space between.
fn decimal_comma(text: &str) -> Option<String> {
    let (whole, rest) = text.split_once(',')?;
    let decimals = rest.bytes().take_while(u8::is_ascii_digit).count();
    let digits = whole.trim_start_matches('-');
    let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && decimals == 2;
    let unit = rest[decimals..].trim();
    (number && is_unit_word(unit)).then(|| format!("{whole}.{rest}"))
}

/// A lower-case word, perhaps with a hyphen, that joins nothing.
fn is_common_word(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ',']);
    #[rustfmt::skip]
    const JOINING: [&str; 13] = [
        "and", "or", "to", "in", "is", "are", "out", "if", "for", "percent", "pct", "percentage",
        "per-cent",
    ];
    let joins = JOINING.contains(&word);
    word.len() > 1 && !joins && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

/// `2024-01-31`, which is no difference.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split(['-', '/']).collect();
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    matches!(parts.as_slice(), [a, b, c] if digits(a) && digits(b) && digits(c)
        && (a.len() == 4 || c.len() == 4) && (1..=2).contains(&b.len()))
}

/// Whether `text` has words outside of commands that belong to no formula.
pub(super) fn has_prose(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut after_number = false;
    while at < bytes.len() {
        let b = bytes[at];
        if b == b'\\' {
            let len = bytes[at + 1..]
                .iter()
                .take_while(|b| b.is_ascii_alphabetic())
                .count();
            let name = &text[at + 1..at + 1 + len];
            at += 1 + len;
            if lex::is_wordy(name) {
                at += argument_len(&text[at..]);
            }
            after_number = true;
            continue;
        }
        if b.is_ascii_alphabetic() {
            let len = bytes[at..]
                .iter()
                .take_while(|b| b.is_ascii_alphabetic())
                .count();
            let word = &text[at..at + len];
            let glued = at > 0 && bytes[at - 1].is_ascii_digit();
            let unit = after_number && (is_unit_word(word) || words::magnitude(word).is_some());
            if !glued && !unit && is_prose_word(word) {
                return true;
            }
            at += len;
            continue;
        }
        if !b.is_ascii_whitespace() {
            after_number = b.is_ascii_digit() || matches!(b, b'}' | b')') || b >= 0x80;
        }
        at += 1;
    }
    false
}

/// Bytes of the braced argument at the start of `text`.
fn argument_len(text: &str) -> usize {
    let Some(open) = text.find(|c: char| !c.is_whitespace()) else {
        return 0;
    };
    if !text[open..].starts_with('{') {
        return 0;
    }
    let mut depth = 0_usize;
    for (at, b) in text.bytes().enumerate().skip(open) {
        match b {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

/// Whether a run of letters is a word of a sentence: a product of letters has no vowel among
/// three small letters, or is short.
pub(super) fn is_prose_word(word: &str) -> bool {
    #[rustfmt::skip]
    const SHORT: [&str; 22] = [
        "is", "in", "at", "by", "if", "no", "on", "as", "it", "so", "be", "we", "he", "do", "my",
        "up", "an", "of", "am", "us", "me", "ok",
    ];
    let lower = word.to_ascii_lowercase();
    if word.len() < 3 {
        return SHORT.contains(&lower.as_str());
    }
    let joins = matches!(lower.as_str(), "and");
    let small = word.bytes().filter(u8::is_ascii_lowercase).count();
    let vowel = lower.bytes().any(|b| b"aeiouy".contains(&b));
    small > 1 && vowel && !joins && !lex::is_formula_word(word)
}
