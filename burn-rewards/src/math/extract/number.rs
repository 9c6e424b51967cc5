//! Plain numbers and arithmetic in running text.

use crate::math::lex::count_digits;

/// A number or an arithmetic expression in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plain {
    /// Where the match starts, with the space before it.
    pub(super) start: usize,
    /// First byte of the value.
    pub(super) from: usize,
    /// One past the value.
    pub(super) to: usize,
    /// One past the match, with the percent sign or full stop after it.
    pub(super) end: usize,
    /// Whether it is an expression with operators.
    pub(super) expression: bool,
    /// Whether a percent sign or word follows.
    pub(super) percent: bool,
}

const CURRENCY: &str = "$€£¥₹₽₪₩₫฿₡₢₣₤₥₦₧₨₭₮₯₰₱₲₳₴₵₶₷₸₺₻₼₾₿";

/// After what a value may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Boundary {
    /// A space, an equals sign, or the start of the text, as the Python library has it.
    Space,
    /// Anything but letters, digits and points.
    Any,
}

/// The value after the boundary at `at`.
pub(super) fn value_at(text: &str, at: usize, loose: Boundary) -> Option<Plain> {
    let from = value_start(text, at, loose)?;
    Runs::default()
        .expression(text, at, from)
        .or_else(|| number_at(text, at, from))
}

/// Where the value after the boundary at `at` starts, if what stands there can start one.
pub(super) fn value_start(text: &str, at: usize, loose: Boundary) -> Option<usize> {
    let body = boundary(text, at, loose)?;
    let bytes = text.as_bytes();
    let from = if bytes.get(body..body + 2) == Some(b"**") {
        body + 2
    } else {
        body
    };
    let first = *bytes.get(from)?;
    (first.is_ascii_digit() || matches!(first, b'-' | b'(' | b'.' | b'$') || first >= 0x80)
        .then_some(from)
}

/// One past the boundary at `at`.
fn boundary(text: &str, at: usize, loose: Boundary) -> Option<usize> {
    let bytes = text.as_bytes();
    let first = *bytes.get(at)?;
    if first.is_ascii_whitespace() || first == b'=' {
        return Some(at + 1);
    }
    if first == 0xc2 && bytes.get(at + 1) == Some(&0xa0) {
        return Some(at + 2);
    }
    if loose == Boundary::Any && at > 0 {
        let c = text[at..].chars().next()?;
        let glued = c.is_ascii_alphanumeric() || c == '.';
        return (!glued).then_some(at + c.len_utf8());
    }
    (at == 0).then_some(0)
}

/// Whether a value's boundary may stand at a byte.
pub(super) fn may_bound(byte: u8, loose: Boundary) -> bool {
    match loose {
        Boundary::Any => !byte.is_ascii_alphanumeric() && byte != b'.',
        _ => byte.is_ascii_whitespace() || matches!(byte, b'=' | 0xc2),
    }
}

/// Longest arithmetic run.
const MAX_RUN: usize = 4096;

/// Arithmetic runs of a text, each walked once from the left.
#[derive(Default)]
pub(super) struct Runs {
    /// No expression starts before this.
    free_from: usize,
}

impl Runs {
    /// The arithmetic run at `from` with at least one operator, and what must follow it.
    pub(super) fn expression(&mut self, text: &str, start: usize, from: usize) -> Option<Plain> {
        if start < self.free_from {
            return None;
        }
        let bytes = text.as_bytes();
        let mut first = from;
        for optional in [b'-', b'(', b'-'] {
            if bytes.get(first) == Some(&optional) {
                first += 1;
            }
        }
        if !bytes.get(first)?.is_ascii_digit() {
            return None;
        }
        let (end, operator) = run_end(bytes, first);
        self.free_from = end;
        let operator = operator?;
        let mut last = end;
        // What follows must be punctuation, a space or the end; those of the run itself count too.
        if end < bytes.len() && !matches!(bytes[end], b'.' | b',' | b':' | b'$' | b')') {
            last = text[from..end]
                .rfind(|c: char| c.is_whitespace() || matches!(c, '.' | ')'))
                .map(|at| from + at)?;
        }
        let value =
            text[from..last].trim_end_matches(|c: char| c.is_whitespace() || c == '.' || c == '*');
        let to = from + value.len();
        (to > operator + 1).then_some(Plain {
            start,
            from,
            to,
            end: last,
            expression: true,
            percent: false,
        })
    }
}

/// Where the run of digits, spaces and operators at `first` ends, and its first operator.
fn run_end(bytes: &[u8], first: usize) -> (usize, Option<usize>) {
    let mut end = first;
    let mut operator = None;
    while end < bytes.len() {
        let len = match bytes[end] {
            b'0'..=b'9' | b'.' => 1,
            b if b.is_ascii_whitespace() => 1,
            b'+' | b'-' | b'*' | b'/' | b'^' | b'(' | b')' => {
                operator.get_or_insert(end);
                1
            }
            // × and ÷.
            0xc3 if matches!(bytes.get(end + 1), Some(0x97 | 0xb7)) => {
                operator.get_or_insert(end);
                2
            }
            _ => break,
        };
        end += len;
    }
    if end - first > MAX_RUN {
        operator = None;
    }
    (end, operator)
}

/// A number with an optional currency sign before it.
pub(super) fn number_at(text: &str, start: usize, from: usize) -> Option<Plain> {
    let rest = &text[from..];
    let sign = rest.chars().next()?;
    let from = if CURRENCY.contains(sign) {
        from + sign.len_utf8()
    } else {
        from
    };
    let len = number_len(&text[from..])?;
    let to = from + len;
    let (end, percent) = super::env::percent_after(text, to);
    Some(Plain {
        start,
        from,
        to,
        end: if percent { end } else { to },
        expression: false,
        percent,
    })
}

/// Bytes of the number at the start of `text`: thousands groups, decimals, integers.
fn number_len(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let sign = usize::from(bytes.first() == Some(&b'-'));
    let digits = count_digits(&bytes[sign..]);
    if digits == 0 {
        let fraction = text.strip_prefix('.').map(|t| count_digits(t.as_bytes()))?;
        return (fraction > 0).then_some(fraction + 1);
    }
    let mut end = sign + digits;
    if digits <= 3 && bytes[sign] != b'0' {
        let mut groups = end;
        while matches!(bytes.get(groups), Some(b' ' | b','))
            && count_digits(&bytes[groups + 1..]) == 3
        {
            groups += 4;
        }
        if groups > end {
            let fraction = bytes
                .get(groups)
                .filter(|b| **b == b'.')
                .map_or(0, |_| count_digits(&bytes[groups + 1..]));
            return Some(if fraction > 0 {
                groups + 1 + fraction
            } else {
                groups
            });
        }
    }
    if matches!(bytes.get(end), Some(b'.' | b',')) {
        let fraction = count_digits(&bytes[end + 1..]);
        if fraction > 0 {
            end += 1 + fraction;
        }
    }
    Some(end)
}

/// The value as the formula parser reads it: one decimal point, no separators.
pub(super) fn plain_text(text: &str, plain: &Plain) -> String {
    let value = &text[plain.from..plain.to];
    if plain.expression {
        return value.replace(['\n', '\r'], " ");
    }
    let thousands = value.contains(' ')
        || value.split(',').skip(1).any(|g| g.len() > 3)
        || thousands_commas(value);
    if thousands {
        value.chars().filter(|c| !matches!(c, ' ' | ',')).collect()
    } else {
        value.replace(',', ".")
    }
}

fn thousands_commas(value: &str) -> bool {
    let whole = value.split('.').next().unwrap_or(value);
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let mut groups = digits.split(',');
    let first = groups.next().unwrap_or("");
    let mut count = 0;
    for group in groups {
        count += 1;
        if group.len() != 3 {
            return false;
        }
    }
    count > 0 && (1..=3).contains(&first.len()) && !first.starts_with('0')
}
