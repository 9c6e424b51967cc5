//! Whether the words beside an answer take it back or bound it: "is not 42", "42 or more".

use crate::math::words;

/// Bytes looked at on either side.
const REACH: usize = 80;

/// Most words between a denial and the answer.
const MAX_LINKS: usize = 8;

/// Whether the words right before and after `from..to` deny or bound what stands there.
pub(crate) fn is_refused(text: &str, from: usize, to: usize) -> bool {
    refused_before(text, from, false) || refused_after(text, to)
}

/// Whether the words right before `at` deny or bound what follows: a denial, and between it and
/// the answer only words that link. A box is what a solution ends with, in whatever sentence, so
/// that only a denial counts before it.
pub(super) fn refused_before(text: &str, at: usize, is_box: bool) -> bool {
    let clause = clause_before(text, at, REACH);
    let bounds = |clause: &str| !is_box && words::denies_at_end(clause);
    if bounds(clause) {
        return true;
    }
    let mut rest = clause;
    for _ in 0..MAX_LINKS {
        rest = rest.trim_end_matches(|c: char| c.is_whitespace() || "*_`\"'“‘($[{\\".contains(c));
        let from = rest
            .rfind(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '’'))
            .map_or(0, |i| {
                i + rest[i..].chars().next().map_or(1, char::len_utf8)
            });
        let word = rest[from..].to_lowercase();
        if bounds(rest) || words::denies(&word) {
            return true;
        }
        if word.is_empty() || !words::links(&word) {
            return false;
        }
        rest = &rest[..from];
    }
    false
}

/// Whether the words between an announcement and the answer it announces deny it.
pub(super) fn denied_between(text: &str, from: usize, to: usize) -> bool {
    from < to && text.get(from..to).is_some_and(words::denies)
}

/// Whether the words right after `at` bound the answer or take it back.
pub(super) fn refused_after(text: &str, at: usize) -> bool {
    let mut end = (at + REACH).min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let after = text.get(at..end).unwrap_or("");
    words::takes_back(after)
}

/// Whether what stands at `at` is only named beside the answer: ", not 43".
pub(super) fn is_contrast(text: &str, at: usize) -> bool {
    let clause = clause_before(text, at, REACH);
    let start = at - clause.len();
    let after_comma = text[..start].ends_with([',', '，', ';']);
    let clause = clause.trim().to_lowercase();
    after_comma
        && [
            "not",
            "and not",
            "rather than",
            "instead of",
            "而不是",
            "不是",
        ]
        .iter()
        .any(|c| clause == *c)
}

/// The clause that ends at `at`: from the last mark that ends one.
fn clause_before(text: &str, at: usize, reach: usize) -> &str {
    let mut lo = at.saturating_sub(reach);
    while !text.is_char_boundary(lo) {
        lo += 1;
    }
    let clause = &text[lo..at];
    let start = clause
        .rfind(|c: char| {
            matches!(
                c,
                '.' | ';' | ':' | '\n' | '?' | '!' | '。' | '；' | '，' | ','
            )
        })
        .map_or(0, |i| {
            i + clause[i..].chars().next().map_or(1, char::len_utf8)
        });
    &clause[start..]
}
