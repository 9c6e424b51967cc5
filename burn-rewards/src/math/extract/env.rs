//! Mathematics environments: `$…$`, `$$…$$`, `\[…\]`, `\(…\)`, ` [...] ` and bare fractions.

use crate::math::lex::count_digits;

/// Most environments one answer joins: `$1$, $2$ and $3$`.
const MAX_JOINED: usize = 6;

/// An environment in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Env {
    /// First byte of the content.
    pub(super) from: usize,
    /// One past the content.
    pub(super) to: usize,
    /// One past the environment, the spaces and the percent sign after it.
    pub(super) end: usize,
    /// Whether a percent sign or word follows.
    pub(super) percent: bool,
}

/// One environment, or several joined by commas and words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Joined {
    /// Where the first starts.
    pub(super) start: usize,
    /// The first.
    pub(super) first: Env,
    /// The others, in order.
    pub(super) rest: Vec<Env>,
}

impl Joined {
    /// One past the last environment.
    pub(super) fn end(&self) -> usize {
        self.rest.last().unwrap_or(&self.first).end
    }
}

/// Finds environments in one text; remembers where closing marks are missing, so that a text full
/// of opening marks costs no more than one look at each byte.
pub(super) struct Scanner<'a> {
    text: &'a str,
    no_dollars_after: usize,
    no_bracket_after: usize,
    dollar_line: usize,
    paren_line: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            no_dollars_after: usize::MAX,
            no_bracket_after: usize::MAX,
            dollar_line: 0,
            paren_line: 0,
        }
    }

    /// Whether an environment can start with `byte`.
    pub(super) fn may_start(byte: u8) -> bool {
        matches!(byte, b'$' | b'\\' | b'-' | b' ' | b'\n' | b'\t')
    }

    /// The environment that starts at `at`.
    pub(super) fn env_at(&mut self, at: usize) -> Option<Env> {
        let bytes = self.text.as_bytes();
        let before = if at == 0 { 0 } else { bytes[at - 1] };
        let next = bytes.get(at + 1).copied().unwrap_or(0);
        let (from, to, end) = match bytes[at] {
            b'$' if before != b'\\' => self
                .double_dollar(at, next)
                .or_else(|| self.dollar(at, before))?,
            b'\\' if before != b'\\' && next == b'[' => self.display(at)?,
            b'\\' if before != b'\\' && next == b'(' => self.inline(at)?,
            b'\\' if next == b'f' => bare_fraction(self.text, at)?,
            b'-' if next == b'\\' => bare_fraction(self.text, at)?,
            b' ' | b'\n' | b'\t' if next == b'[' => self.bracket(at)?,
            _ => return None,
        };
        let (end, percent) = percent_after(self.text, end);
        Some(Env {
            from,
            to,
            end,
            percent,
        })
    }

    fn double_dollar(&mut self, at: usize, next: u8) -> Option<(usize, usize, usize)> {
        if next != b'$' || at >= self.no_dollars_after {
            return None;
        }
        let bytes = self.text.as_bytes();
        let mut search = at + 2;
        loop {
            let found = bytes[search..].windows(2).position(|pair| pair == b"$$");
            let Some(found) = found else {
                self.no_dollars_after = self.no_dollars_after.min(at);
                return None;
            };
            let close = search + found;
            if close > at + 2 && bytes[close - 1] != b'\\' {
                return Some((at + 2, close, close + 2));
            }
            search = close + 1;
        }
    }

    fn dollar(&mut self, at: usize, before: u8) -> Option<(usize, usize, usize)> {
        if before.is_ascii_digit() || at < self.dollar_line {
            return None;
        }
        let bytes = self.text.as_bytes();
        for close in at + 1..bytes.len() {
            match bytes[close] {
                b'\n' => {
                    self.dollar_line = close;
                    return None;
                }
                b'$' if bytes[close - 1] != b'\\' => {
                    return (close > at + 1).then_some((at + 1, close, close + 1));
                }
                _ => {}
            }
        }
        self.dollar_line = bytes.len();
        None
    }

    fn display(&mut self, at: usize) -> Option<(usize, usize, usize)> {
        if at >= self.no_bracket_after {
            return None;
        }
        let close = self.closing(at + 2, "\\]");
        if close.is_none() {
            self.no_bracket_after = self.no_bracket_after.min(at);
        }
        let close = close?;
        Some((at + 2, close, close + 2))
    }

    fn inline(&mut self, at: usize) -> Option<(usize, usize, usize)> {
        if at < self.paren_line {
            return None;
        }
        let line = self.text.as_bytes()[at..]
            .iter()
            .position(|b| *b == b'\n')
            .map_or(self.text.len(), |len| at + len);
        match self.closing(at + 2, "\\)") {
            Some(close) if close < line => Some((at + 2, close, close + 2)),
            _ => {
                self.paren_line = line;
                None
            }
        }
    }

    /// The first `mark` from `from` on that no backslash escapes.
    fn closing(&self, from: usize, mark: &str) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let mut search = from;
        loop {
            let close = search + self.text[search..].find(mark)?;
            if close > from && bytes[close - 1] != b'\\' {
                return Some(close);
            }
            search = close + 1;
        }
    }

    fn bracket(&mut self, at: usize) -> Option<(usize, usize, usize)> {
        let bytes = self.text.as_bytes();
        for close in at + 2..bytes.len() {
            match bytes[close] {
                b'\n' | b'[' => return None,
                b']' => {
                    let after = bytes.get(close + 1)?;
                    return (close > at + 2 && after.is_ascii_whitespace()).then_some((
                        at + 2,
                        close,
                        close + 2,
                    ));
                }
                _ => {}
            }
        }
        None
    }

    /// The environment at `at` and those joined to it.
    pub(super) fn joined_at(&mut self, at: usize) -> Option<Joined> {
        let first = self.env_at(at)?;
        let mut joined = Joined {
            start: at,
            first,
            rest: Vec::new(),
        };
        while joined.rest.len() + 1 < MAX_JOINED {
            let end = joined.end();
            let Some(next) = joint(self.text, end).and_then(|next| self.after_joint(end, next))
            else {
                break;
            };
            joined.rest.push(next);
        }
        Some(joined)
    }

    fn after_joint(&mut self, end: usize, at: usize) -> Option<Env> {
        if at >= self.text.len() {
            return None;
        }
        // ` [1, 2] ` needs its space, which the joint may have taken.
        if self.text.as_bytes()[at] == b'[' && at > end {
            return self.env_at(at - 1);
        }
        self.env_at(at)
    }
}

/// Whether the byte at `at` is neither a space nor one of `starts`: the common case, decided
/// without looking further.
fn nothing_follows(text: &str, at: usize, starts: &[u8]) -> bool {
    match text.as_bytes().get(at) {
        None => true,
        Some(byte) => byte.is_ascii() && !byte.is_ascii_whitespace() && !starts.contains(byte),
    }
}

/// Where the next environment would start after a comma, "and" or "or" at `at`.
fn joint(text: &str, at: usize) -> Option<usize> {
    if nothing_follows(text, at, b",ao") {
        return None;
    }
    let rest = &text[at..];
    let body = rest.trim_start();
    if !matches!(body.as_bytes().first(), Some(b',' | b'a' | b'o')) {
        return None;
    }
    let after = body
        .strip_prefix(",and")
        .or_else(|| body.strip_prefix(",or"))
        .or_else(|| body.strip_prefix("and"))
        .or_else(|| body.strip_prefix("or"))
        .or_else(|| {
            // `, and` is not a joint for the Python library; its comma is one.
            body.strip_prefix(',')
        })?;
    let after = after.trim_start();
    Some(text.len() - after.len())
}

/// The end after spaces and a percent sign or word, and whether there was one.
pub(super) fn percent_after(text: &str, at: usize) -> (usize, bool) {
    let rest = &text[at..];
    let body = rest.trim_start();
    for word in [
        "\\%",
        "%",
        "percentage",
        "Percentage",
        "percent",
        "Percent",
        "pct",
        "Pct",
    ] {
        if let Some(after) = body.strip_prefix(word) {
            return (text.len() - after.len(), true);
        }
    }
    (text.len() - body.len(), false)
}

/// `-\frac{1}{2}` outside of any environment, of plain numbers.
fn bare_fraction(text: &str, at: usize) -> Option<(usize, usize, usize)> {
    let rest = &text[at..];
    let body = rest.strip_prefix('-').unwrap_or(rest);
    let mut body = body.strip_prefix("\\frac")?;
    for _ in 0..2 {
        let inner = body.strip_prefix('{')?;
        let inner = inner.strip_prefix('-').unwrap_or(inner);
        let digits = count_digits(inner.as_bytes());
        if digits == 0 {
            return None;
        }
        let mut inner = &inner[digits..];
        if let Some(fraction) = inner.strip_prefix(['.', ',']) {
            let digits = count_digits(fraction.as_bytes());
            if digits == 0 {
                return None;
            }
            inner = &fraction[digits..];
        }
        body = inner.strip_prefix('}')?;
    }
    let end = text.len() - body.len();
    Some((at, end, end))
}
