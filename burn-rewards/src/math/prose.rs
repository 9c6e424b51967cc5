//! Words that belong to no formula.

use super::braces;
use super::lex;
use super::unit_words::is_unit_word;
use super::words;

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
    match braces::group(text) {
        Some((_, after)) => text.len() - after.len(),
        None if text.trim_start().starts_with('{') => text.len(),
        None => 0,
    }
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
