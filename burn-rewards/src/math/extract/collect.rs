//! Values and literals in stretches of running text.

use super::anchor::window;
use super::number::{Boundary, Plain, Runs, may_bound, number_at, value_at, value_start};
use super::string::literal_at;
use super::{Candidate, FIRST_WINDOW, Found};
use crate::math::config::StringTarget;

/// The value after the last equals sign within a hundred characters, with a space between.
pub(super) fn after_equals(text: &str, from: usize, line: usize, loose: Boundary) -> Option<Plain> {
    let near = window(text, from, 100);
    let bytes = text.as_bytes();
    (near.start..near.end.min(line))
        .rev()
        .filter(|at| bytes[*at] == b'=')
        .find_map(|at| {
            let rest = &text[at + 1..];
            let spaces = rest.len() - rest.trim_start().len();
            let boundary = if spaces > 0 {
                text.len() - rest.trim_start().len() - 1
            } else {
                return None;
            };
            let plain = text
                .is_char_boundary(boundary)
                .then(|| value_at(text, boundary, loose))
                .flatten()?;
            (!equals_follows(text, &plain)).then_some(plain)
        })
}

/// The first value in `range`, which no equals sign follows.
pub(super) fn first_value(
    text: &str,
    range: std::ops::Range<usize>,
    loose: Boundary,
) -> Option<Plain> {
    let bytes = text.as_bytes();
    range
        .filter(|at| *at < bytes.len() && (may_bound(bytes[*at], loose) || *at == 0))
        .filter(|at| text.is_char_boundary(*at))
        .filter_map(|at| value_at(text, at, loose))
        .find(|plain| !equals_follows(text, plain))
}

fn equals_follows(text: &str, plain: &Plain) -> bool {
    text[plain.end..].trim_start().starts_with('=')
}

/// A position at or before `at` where no number is cut.
pub(super) fn window_start(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let mut start = at;
    while start > 0 && (at - start) < FIRST_WINDOW {
        let cut = bytes
            .get(start)
            .is_some_and(|b| !b.is_ascii_alphabetic() || !text.is_char_boundary(start));
        if !cut && text.is_char_boundary(start) {
            break;
        }
        start -= 1;
    }
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    start
}

/// All numbers and expressions whose boundary lies in `range`.
pub(super) fn collect_values(
    text: &str,
    range: std::ops::Range<usize>,
    loose: Boundary,
    found: &mut Vec<Found>,
) {
    let bytes = text.as_bytes();
    let mut at = range.start;
    // An expression and a number found inside it are two patterns of the Python library.
    let mut number_end = 0;
    let mut runs = Runs::default();
    while at < range.end {
        // Most boundaries have a letter or another space after them.
        let bare = bytes[at].is_ascii_whitespace()
            && bytes
                .get(at + 1)
                .is_none_or(|b| b.is_ascii_alphabetic() || b.is_ascii_whitespace() || *b == b'[');
        if bare || (at > 0 && !may_bound(bytes[at], loose)) || !text.is_char_boundary(at) {
            at += 1;
            continue;
        }
        if let Some(body) = value_start(text, at, loose) {
            if let Some(expression) = runs.expression(text, at, body) {
                push_plain(found, expression);
            }
            if at >= number_end
                && let Some(number) = number_at(text, at, body)
            {
                number_end = number.end;
                push_plain(found, number);
            }
        }
        at += 1;
    }
}

fn push_plain(found: &mut Vec<Found>, plain: Plain) {
    found.push(Found {
        start: plain.start,
        end: plain.end,
        candidate: Candidate::Plain(plain),
        announced: None,
    });
}

pub(super) fn collect_literals(
    text: &str,
    range: std::ops::Range<usize>,
    target: &StringTarget,
    found: &mut Vec<Found>,
) {
    let bytes = text.as_bytes();
    for at in range {
        if (at == 0 || bytes[at].is_ascii_whitespace())
            && let Some(literal) = literal_at(text, at, target)
        {
            found.push(Found {
                start: literal.start,
                end: literal.end,
                candidate: Candidate::Literal(literal),
                announced: None,
            });
        }
    }
}
