//! What an answer wears: an introduction, a font around all of it, a remark behind it.

use super::{braces, words};

/// Commands whose argument is words or an answer in another font.
#[rustfmt::skip]
const FONTS: [&str; 12] = [
    "\\textbf", "\\textit", "\\textrm", "\\textnormal", "\\texttt", "\\textsf", "\\textup",
    "\\text", "\\mbox", "\\mathrm", "\\mathbf", "\\boldsymbol",
];

/// The argument of the font command that `text` begins with, and what follows it.
fn font_argument(text: &str) -> Option<(&str, &str)> {
    let after = FONTS.iter().find_map(|font| text.strip_prefix(font))?;
    braces::group(after)
}

/// `text` without the words before the value that say nothing about it: `\text{USD } 9500`,
/// `\text{about }1.41`, `approximately 3`.
pub(super) fn without_lead(text: &str) -> &str {
    let mut rest = text;
    for _ in 0..3 {
        let shorter = match font_argument(rest) {
            Some((words, after)) if plain_words(words) => Some((words, after)),
            Some(_) => None,
            None => bare_lead(rest),
        };
        match shorter {
            Some((words, after)) if words::introduces(words) && begins_value(after) => {
                rest = after.trim_start_matches([' ', '~', ':', '：']);
            }
            _ => break,
        }
    }
    rest
}

fn plain_words(words: &str) -> bool {
    words
        .chars()
        .all(|c| c.is_alphabetic() || " ~.,:：$=≈'’".contains(c))
}

/// Words at the start without any command, up to the first digit, sign, bracket or command.
fn bare_lead(text: &str) -> Option<(&str, &str)> {
    let letters = text
        .find(|c: char| !(c.is_alphabetic() || matches!(c, ' ' | '.' | ':' | '：' | '≈')))
        .unwrap_or(text.len());
    let (lead, rest) = text.split_at(letters);
    // One letter is a name: `a 5` and `x: 3` are left as they are.
    let words = lead.trim().chars().count() > 1 || lead.trim() == "≈";
    words.then_some((lead, rest))
}

fn begins_value(rest: &str) -> bool {
    let rest = rest.trim_start_matches([' ', '~', ':', '：', '$']);
    rest.starts_with(|c: char| c.is_ascii_digit() || "-−+(.[{|√π$".contains(c))
        || (rest.starts_with('\\') && !rest.starts_with("\\text"))
}

/// The content of a font command that is all of `text`, if it says more than words:
/// `\text{12 cm}`, `\textbf{$\frac34$}`.
pub(super) fn unwrapped(text: &str) -> Option<&str> {
    let (inner, after) = font_argument(text)?;
    let ends = after.trim_matches(|c: char| c.is_whitespace() || matches!(c, '.' | ',' | '~'));
    let says_more = inner
        .bytes()
        .any(|b| b.is_ascii_digit() || matches!(b, b'\\' | b'$'));
    let inner = inner.trim().trim_matches('$').trim();
    (ends.is_empty() && says_more && !inner.is_empty() && !inner.contains('$')).then_some(inner)
}
