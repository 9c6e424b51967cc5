//! Boxes as matches of a response.

use super::env::{Scanner, percent_after};
use super::read::as_percent;
use crate::math::boxes::{self, BoxSpan};
use crate::math::config::{BoxedMode, Normalization};
use crate::math::formula::{self, Reading};
use crate::math::limits::MAX_SPAN;

/// Most boxed environments one answer joins.
const MAX_JOINED: usize = 6;

/// The last box of a response, with those that belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BoxMatch {
    /// Where the match starts.
    pub(super) start: usize,
    /// One past the match.
    pub(super) end: usize,
    /// Spans read, in order, each with the percent sign after it.
    parts: Vec<(usize, usize, bool)>,
    mode: BoxedMode,
    /// Where the last box starts.
    pub(super) last_start: usize,
    /// One past the last box.
    pub(super) last_end: usize,
}

impl BoxMatch {
    /// Reads all parts as one value.
    pub(super) fn read(&self, text: &str, normalization: &Normalization) -> Reading {
        let normalization = Normalization {
            boxed: self.mode,
            ..*normalization
        };
        let content: Vec<String> = self
            .parts
            .iter()
            .map(|(from, to, _)| {
                let inner = boxes::contents(&text[*from..*to], self.mode);
                inner.into_owned()
            })
            .collect();
        let mut reading = formula::read(&content.join(","), &normalization);
        if self.parts.iter().all(|(_, _, percent)| *percent) {
            reading.values = reading.values.map(as_percent);
        }
        reading
    }
}

/// The matches of boxes in `text`: the environment around the last box, and the bare box.
///
/// With `prose` a frame is a box, white space may stand before the brace, and boxes are one answer
/// only if nothing is said between them.
pub(super) fn matches(text: &str, scanner: &mut Scanner<'_>, prose: bool) -> Vec<BoxMatch> {
    let mut found = Vec::new();
    // The pattern of a bare box goes on to the last brace of the text.
    let Some(last_brace) = text.rfind('}') else {
        return found;
    };
    let region = &text[..=last_brace];
    let Some(first) = first_box(region, prose) else {
        return found;
    };
    let Some(Ok(last)) = last_closed(region) else {
        return found;
    };
    if let Some(env) = around(text, &last, scanner) {
        found.push(env);
    }
    // Only the last box and those near it can count.
    let near = text[..last.start].rfind("\\boxed").map_or(first, |_| {
        floor_boundary(text, last.start.saturating_sub(MAX_SPAN / 2)).max(first)
    });
    let (_, percent) = percent_after(text, last.end);
    found.push(BoxMatch {
        start: first,
        end: last_brace + 1,
        parts: vec![(near, last.end, percent)],
        mode: if prose {
            BoxedMode::Joined
        } else {
            BoxedMode::Last
        },
        last_start: last.start,
        last_end: last.end,
    });
    found
}

/// Where the first box begins.
pub(super) fn first_box(text: &str, prose: bool) -> Option<usize> {
    if !prose {
        return text.find("\\boxed{");
    }
    let braced = |(at, name): (usize, &str)| {
        let after = text[at + name.len()..].trim_start();
        after.starts_with('{').then_some(at)
    };
    let boxed = text.match_indices("\\boxed").find_map(braced);
    let framed = text.match_indices("\\fbox").find_map(braced);
    boxed.into_iter().chain(framed).min()
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at;
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The last box that has its braces; a box without is no match while another stands before it.
fn last_closed(region: &str) -> Option<Result<BoxSpan, usize>> {
    let last = boxes::last_box(region, region.len(), region.len())?;
    match last {
        Ok(span) => Some(Ok(span)),
        Err(_) => {
            let head = region.rfind("\\boxed")?;
            boxes::last_box(region, head, head)
        }
    }
}

/// The environment around `last`, and the boxed environments joined to it on the left.
fn around(text: &str, last: &BoxSpan, scanner: &mut Scanner<'_>) -> Option<BoxMatch> {
    let (start, env) = enclosing(text, last.start, scanner)?;
    if env.to < last.end {
        return None;
    }
    let mut parts = vec![(env.from, env.to, env.percent)];
    let mut first = start;
    while parts.len() < MAX_JOINED {
        let Some((start, part)) = joined_before(text, first, scanner) else {
            break;
        };
        first = start;
        parts.insert(0, part);
    }
    Some(BoxMatch {
        start: first,
        end: env.end,
        parts,
        mode: BoxedMode::All,
        last_start: last.start,
        last_end: env.end,
    })
}

/// The boxed environment that ends before a comma, "and" or "or" before `at`.
fn joined_before(
    text: &str,
    at: usize,
    scanner: &mut Scanner<'_>,
) -> Option<(usize, (usize, usize, bool))> {
    let head = text[..at].trim_end();
    let head = head
        .strip_suffix(",and")
        .or_else(|| head.strip_suffix(",or"))
        .or_else(|| head.strip_suffix("and"))
        .or_else(|| head.strip_suffix("or"))
        .or_else(|| head.strip_suffix(','))?
        .trim_end();
    let inner = boxes::last_box(text, head.len(), head.len())?.ok()?;
    let (start, env) = enclosing(text, inner.start, scanner)?;
    let closes = env.to < head.len() && head.len() <= env.end;
    closes.then_some((start, (env.from, env.to, env.percent)))
}

/// The environment whose content `at` lies in.
fn enclosing(text: &str, at: usize, scanner: &mut Scanner<'_>) -> Option<(usize, super::env::Env)> {
    let line_start = text[..at].rfind('\n').map_or(0, |n| n + 1);
    let line = &text[line_start..at];
    let mut starts = Vec::new();
    if let Some(dollar) = line.rfind('$') {
        starts.push(line_start + dollar);
        if line[..dollar].ends_with('$') {
            starts.push(line_start + dollar - 1);
        }
    }
    if let Some(paren) = line.rfind("\\(") {
        starts.push(line_start + paren);
    }
    let from = floor_boundary(text, at.saturating_sub(MAX_SPAN));
    if let Some(bracket) = text[from..at].rfind("\\[") {
        starts.push(from + bracket);
    }
    if let Some(dollars) = text[from..at].rfind("$$") {
        starts.push(from + dollars);
    }
    starts.sort_unstable();
    starts.into_iter().find_map(|start| {
        let env = scanner.env_at(start)?;
        (env.from <= at && at < env.to).then_some((start, env))
    })
}
