//! `\boxed{…}` and `\fbox{…}`: found from the right, by matching braces.

use std::borrow::Cow;

use super::config::BoxedMode;
use super::limits::MAX_SPAN;
use super::words;

/// Most boxes of one answer.
const MAX_BOXES: usize = 64;

/// Between boxes that stand this close nothing else is said.
const NEAR_BYTES: usize = 10;

/// Between boxes that a comma, "and" or "or" joins there is at most this much text.
const JOINED_BYTES: usize = 70;

/// A box in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BoxSpan {
    /// Where its command starts.
    pub(crate) start: usize,
    /// First byte of the content.
    pub(crate) from: usize,
    /// One past the content.
    pub(crate) to: usize,
    /// One past the closing brace.
    pub(crate) end: usize,
}

/// The last box that starts before `before` and ends before `limit`.
///
/// `Err` is a box without a closing brace, or without braces: where its content starts.
pub(crate) fn last_box(text: &str, before: usize, limit: usize) -> Option<Result<BoxSpan, usize>> {
    let head = &text[..before];
    let boxed = head.rfind("\\boxed").map(|at| (at, 6));
    let framed = if boxed.is_none_or(|(at, _)| at + 6 < before) {
        let from = boxed.map_or(0, |(at, _)| at + 6);
        // A frame counts only if it stands after the last box.
        head[from..].rfind("\\fbox").map(|at| (from + at, 5))
    } else {
        None
    };
    let (start, len) = framed.or(boxed)?;
    let mut from = start + len;
    let bytes = text.as_bytes();
    while from < limit && bytes[from].is_ascii_whitespace() {
        from += 1;
    }
    if from >= limit {
        return None;
    }
    if bytes[from] != b'{' {
        return Some(Err(from));
    }
    let mut depth = 0_usize;
    let mut escaped = false;
    let last = limit.min(from + MAX_SPAN);
    for (at, byte) in bytes[..last].iter().enumerate().skip(from) {
        if escaped {
            // `\{` and `\}` are brackets of the formula.
            escaped = false;
            continue;
        }
        match byte {
            b'\\' => escaped = true,
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(Ok(BoxSpan {
                        start,
                        from: from + 1,
                        to: at,
                        end: at + 1,
                    }));
                }
            }
            _ => {}
        }
    }
    Some(Err(from))
}

/// The contents of the boxes in `text`, joined by commas; `text` itself if there are none.
///
/// [`BoxedMode::Last`] takes the last box and those before it that stand close: with less than ten
/// bytes between, or less than seventy with a comma, "and" or "or" among them and other content.
pub(crate) fn contents(text: &str, mode: BoxedMode) -> Cow<'_, str> {
    if !text.contains("\\boxed") && !text.contains("\\fbox") {
        return Cow::Borrowed(text);
    }
    let mut found: Vec<&str> = Vec::new();
    let mut previous: Option<BoxSpan> = None;
    let (mut before, mut limit) = (text.len(), text.len());
    while found.len() < MAX_BOXES {
        match last_box(text, before, limit) {
            None => break,
            Some(Err(from)) => {
                if found.is_empty() {
                    found.push(&text[from..]);
                }
                break;
            }
            Some(Ok(span)) => {
                let content = text[span.from..span.to].trim();
                if let Some(next) = previous {
                    let between = &text[span.end..next.start];
                    let belongs = match mode {
                        BoxedMode::Last => belongs(between, content, found.last()),
                        BoxedMode::Joined => only_joins(between),
                        BoxedMode::All | BoxedMode::Keep => true,
                    };
                    if !belongs {
                        break;
                    }
                }
                if found.last() != Some(&content) {
                    found.push(content);
                }
                previous = Some(span);
                (before, limit) = (span.start, span.start);
            }
        }
    }
    match found.as_slice() {
        [] => Cow::Borrowed(text),
        [one] => Cow::Borrowed(one),
        many => {
            let ordered: Vec<&str> = many.iter().rev().copied().collect();
            Cow::Owned(ordered.join(","))
        }
    }
}

/// Whether a box belongs to the answer of the box after it.
fn belongs(between: &str, content: &str, next: Option<&&str>) -> bool {
    if between.len() < NEAR_BYTES {
        return true;
    }
    between.len() < JOINED_BYTES
        && next.is_none_or(|next| *next != content)
        && (between.contains([',', ';'])
            || between
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|word| word == "and" || word == "or"))
}

/// Whether text between two boxes says nothing but that both count: commas, the name of the second
/// value, "and" or "or" with a unit before it.
fn only_joins(between: &str) -> bool {
    const CORRECTIONS: [&str; 8] = [
        "no", "wait", "but", "actually", "rather", "instead", "sorry", "then",
    ];
    let words: Vec<&str> = between
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .collect();
    let joints = words.iter().filter(|w| is_joint(w)).count();
    let others = words.iter().filter(|w| !is_joint(w) && w.len() > 1);
    let allowed = if joints > 0 { 2 } else { 0 };
    between.len() < JOINED_BYTES
        && !between.contains(['.', '?', '!', '。'])
        && others.clone().count() <= allowed
        && !others
            .clone()
            .any(|w| CORRECTIONS.contains(&w.to_lowercase().as_str()))
        && !words::denies(between)
}

fn is_joint(word: &str) -> bool {
    matches!(word, "and" | "or" | "或" | "和")
}

#[cfg(test)]
mod tests {
    use super::contents;
    use crate::math::config::BoxedMode::{All, Joined, Last};

    #[test]
    fn a_corrected_box_does_not_count() {
        for (text, joined) in [
            (r"I think \boxed{3}. Wait, no: \boxed{4}.", "4"),
            (r"First \boxed{3}, second thoughts give \boxed{4}", "4"),
            (r"\boxed{3} and \boxed{4}", "3,4"),
            (r"$x = \boxed{3}$, $y = \boxed{4}$", "3,4"),
            (r"\boxed{3}, or \boxed{4}", "3,4"),
        ] {
            assert_eq!(contents(text, Joined), joined, "{text}");
        }
    }

    #[test]
    fn braces_are_matched_and_near_boxes_joined() {
        let far = "x".repeat(80);
        for (text, all, last) in [
            (r"\boxed{5}", "5", "5"),
            (r"no box", "no box", "no box"),
            (r"a \boxed{\frac{1}{2}} b", r"\frac{1}{2}", r"\frac{1}{2}"),
            (r"\boxed{\boxed{9}}", "9", "9"),
            (r"\boxed{3} and \boxed{5}", "3,5", "3,5"),
            (r"\boxed{3} and \boxed{3}", "3", "3"),
            (&format!(r"\boxed{{3}} {far} \boxed{{5}}"), "3,5", "5"),
            (r"\boxed{3} is near it, and so \boxed{5}", "3,5", "3,5"),
            (r"\boxed{3} is near it now so \boxed{5}", "3,5", "5"),
            (r"\fbox{7}", "7", "7"),
            (r"\boxed {8}", "8", "8"),
            (r"\boxed 8", "8", "8"),
            (r"\boxed{8", "{8", "{8"),
            (
                r"\boxed{\left\{x\right.}",
                r"\left\{x\right.",
                r"\left\{x\right.",
            ),
            (r"\boxed{\{1,2\}}", r"\{1,2\}", r"\{1,2\}"),
        ] {
            assert_eq!(contents(text, All), all, "{text}");
            assert_eq!(contents(text, Last), last, "{text}");
        }
    }
}
