//! Literal strings such as choice letters.

use crate::math::choice;
use crate::math::config::StringTarget;
use crate::math::parsed::Parsed;

/// The option letter that a text is or names, in whatever dress, where the strings looked for are
/// letters; `None` where the words around it are to be searched.
pub(super) fn option(text: &str, target: &StringTarget) -> Option<Parsed> {
    let letters: String = target.strings.concat();
    if letters.chars().count() != target.strings.len() {
        return None;
    }
    let bare = |(at, letter): (usize, char)| {
        let before = text[..at].chars().next_back();
        before
            .is_none_or(|c| c.is_whitespace() || c == '*')
            .then_some(letter)
    };
    let plain = choice::standing(text, &letters).any(|found| bare(found).is_some());
    let named = || match plain {
        true => None,
        false => choice::last_standing(text, &letters),
    };
    let letter = choice::single(text, &letters).or_else(named)?;
    let literal = match target.lowercase {
        true => letter.to_lowercase().to_string(),
        false => letter.to_string(),
    };
    Some(Parsed {
        literal: Some(literal),
        fallback: Some(letter.to_string()),
        ..Parsed::default()
    })
}

/// A literal in a text: where the match starts and ends, and which string it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Literal {
    /// Where the match starts, with the space before it.
    pub(super) start: usize,
    /// One past the match, with the punctuation after it.
    pub(super) end: usize,
    /// Index of the string.
    pub(super) index: usize,
}

/// The literal after the space at `at`, or at the start of the text: `A`, `**A**`, with
/// punctuation, a space or the end after it.
pub(super) fn literal_at(text: &str, at: usize, target: &StringTarget) -> Option<Literal> {
    let bytes = text.as_bytes();
    if at < bytes.len() && bytes[at].is_ascii_whitespace() {
        return bare_at(text, at, at + 1, target, true);
    }
    if at == 0 {
        return bare_at(text, 0, 0, target, true);
    }
    None
}

/// The literal whose text starts at `from`; with `suffixed`, only if it stands alone.
pub(super) fn bare_at(
    text: &str,
    start: usize,
    from: usize,
    target: &StringTarget,
    suffixed: bool,
) -> Option<Literal> {
    let rest = text.get(from..)?;
    let body = if suffixed {
        rest.strip_prefix("**").unwrap_or(rest)
    } else {
        rest
    };
    for (index, string) in target.strings.iter().enumerate() {
        let Some(after) = body.strip_prefix(string.as_str()) else {
            continue;
        };
        if !suffixed {
            return Some(Literal {
                start,
                end: text.len() - after.len(),
                index,
            });
        }
        for tail in [after.strip_prefix("**").unwrap_or(after), after] {
            let len = match tail.chars().next() {
                None => 0,
                Some(c @ ('.' | ',' | ':')) => c.len_utf8(),
                Some(c) if c.is_whitespace() => c.len_utf8(),
                Some(_) => continue,
            };
            return Some(Literal {
                start,
                end: text.len() - tail.len() + len,
                index,
            });
        }
    }
    None
}
