//! Number literals: digits, decimals, thousands, repeating decimals and exponents.

use dashu_int::IBig;

use crate::math::tree::Number;

/// Longest literal read, in digits.
pub(crate) const MAX_DIGITS: usize = 10_000;

/// A literal and how it was written.
pub(super) struct Literal {
    /// Its value.
    pub(super) number: Number,
    /// Bytes read.
    pub(super) len: usize,
    /// Whether a bare comma was read as a thousands separator.
    pub(super) bare_comma: bool,
}

/// Which separators between groups of three digits are allowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grouping {
    /// A bare comma: `20,000`.
    pub(super) comma: bool,
    /// A space or `\,`: `20 000`.
    pub(super) space: bool,
}

/// Reads a literal at the start of `text`, which begins with a digit, or with a point and a digit.
/// `None` if it exceeds [`MAX_DIGITS`].
pub(super) fn literal(text: &str, grouping: Grouping) -> Option<Literal> {
    let bytes = text.as_bytes();
    let mut digits = Digits::default();
    let mut at = count_digits(bytes);
    digits.push(&bytes[..at])?;
    let first_group = at;
    let mut bare_comma = false;
    if (1..=3).contains(&first_group) && bytes[0] != b'0' {
        while let Some(group) = next_group(text, at, grouping) {
            digits.push(&bytes[group.digits..group.digits + 3])?;
            bare_comma |= group.bare_comma;
            at = group.digits + 3;
        }
    }
    let mut exponent: i64 = 0;
    let mut repeating = 0;
    let mut decimal = false;
    if bytes.get(at) == Some(&b'.') {
        let fraction = count_digits(&bytes[at + 1..]);
        let repeat = repeating_digits(text, at + 1 + fraction, fraction);
        if fraction > 0 || repeat.is_some() {
            digits.push(&bytes[at + 1..at + 1 + fraction])?;
            exponent = -i64::try_from(fraction).ok()?;
            at += 1 + fraction;
            decimal = true;
            if let Some((period, len)) = repeat {
                digits.push(period.as_bytes())?;
                exponent -= i64::try_from(period.len()).ok()?;
                repeating = u32::try_from(period.len()).ok()?;
                at += len;
            }
        }
    }
    if repeating == 0
        && let Some((power, len)) = scientific(&bytes[at..])
    {
        exponent = exponent.saturating_add(power);
        decimal = true;
        at += len;
    }
    Some(Literal {
        number: Number {
            mantissa: digits.value()?,
            exponent,
            repeating,
            decimal,
        },
        len: at,
        bare_comma,
    })
}

/// Digits so far: a machine integer while they fit.
#[derive(Default)]
struct Digits {
    small: u64,
    count: usize,
    text: String,
}

impl Digits {
    fn push(&mut self, digits: &[u8]) -> Option<()> {
        if self.count + digits.len() > MAX_DIGITS {
            return None;
        }
        for &digit in digits {
            if self.count < 18 {
                self.small = self.small * 10 + u64::from(digit - b'0');
            } else {
                if self.count == 18 {
                    self.text = format!("{:018}", self.small);
                }
                self.text.push(char::from(digit));
            }
            self.count += 1;
        }
        Some(())
    }

    fn value(self) -> Option<IBig> {
        if self.text.is_empty() {
            Some(IBig::from(self.small))
        } else {
            IBig::from_str_radix(&self.text, 10).ok()
        }
    }
}

pub(crate) fn count_digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| b.is_ascii_digit()).count()
}

struct Group {
    /// Where its three digits start.
    digits: usize,
    bare_comma: bool,
}

/// A separator at `at` and exactly three digits after it.
fn next_group(text: &str, at: usize, grouping: Grouping) -> Option<Group> {
    let rest = &text[at..];
    let bytes = rest.as_bytes();
    let (len, bare_comma) = match bytes.first()? {
        b',' => {
            // `,\!` and `, \!` are one separator; a comma with a space separates elements.
            let glue = rest[1..].strip_prefix("\\!").or_else(|| {
                let trimmed = rest[1..].trim_start();
                trimmed.strip_prefix("\\!")
            });
            match glue {
                Some(after) => (rest.len() - after.trim_start().len(), false),
                None if grouping.comma => (1, true),
                None => return None,
            }
        }
        b'{' => {
            let after = rest[1..].trim_start().strip_prefix(',')?;
            let after = after.trim_start().strip_prefix('}')?;
            (rest.len() - after.len(), false)
        }
        b'\\' if grouping.space => {
            let after = ["\\thinspace", "\\,", "\\ ", "\\;", "\\:", "\\!"]
                .iter()
                .find_map(|spacing| rest.strip_prefix(spacing))?;
            (rest.len() - after.trim_start_matches(' ').len(), false)
        }
        b' ' if grouping.space => {
            let after = rest.trim_start_matches(' ');
            match after.strip_prefix("{,}") {
                Some(after) => (rest.len() - after.len(), false),
                None => (rest.len() - after.len(), false),
            }
        }
        b'~' if grouping.space => (1, false),
        0xc2 | 0xe2 if grouping.space => {
            // No-break, thin and narrow no-break spaces.
            let c = rest.chars().next()?;
            if !matches!(c, '\u{a0}' | '\u{2009}' | '\u{202f}') {
                return None;
            }
            (c.len_utf8(), false)
        }
        _ => return None,
    };
    let digits = at + len;
    let after = &text.as_bytes()[digits..];
    if count_digits(after) != 3 {
        return None;
    }
    // `2 100/300` is a mixed number.
    if !bare_comma && text[digits + 3..].trim_start().starts_with('/') {
        return None;
    }
    Some(Group { digits, bare_comma })
}

/// The repeating digits at `at`, after `fraction` plain decimals: `\overline{3}`, `\dot{3}`,
/// `(3)`; with the bytes they take. `\dot{1}4\dot{2}` marks the ends of the period only.
fn repeating_digits(text: &str, at: usize, fraction: usize) -> Option<(String, usize)> {
    let rest = text.get(at..)?;
    for command in ["\\overline", "\\bar"] {
        if let Some(after) = rest.strip_prefix(command) {
            let after = after.trim_start();
            let (period, tail) = match after.strip_prefix('{') {
                Some(inner) => inner.split_once('}')?,
                None => after.split_at_checked(1)?,
            };
            let period = period.trim();
            return is_digits(period).then(|| (period.to_owned(), rest.len() - tail.len()));
        }
    }
    if rest.starts_with("\\dot") {
        return dotted(rest);
    }
    // `0.(3)` and `0.1(6)`; `2.5(3)` is a product.
    if let Some(inner) = rest.strip_prefix('(') {
        let len = count_digits(inner.as_bytes());
        let pure = fraction == 0 || text.starts_with("0.");
        if len > 0 && pure && inner[len..].starts_with(')') {
            return Some((inner[..len].to_owned(), len + 2));
        }
    }
    None
}

fn dotted(rest: &str) -> Option<(String, usize)> {
    let (first, tail) = dotted_digit(rest)?;
    let between = count_digits(tail.as_bytes());
    if let Some((last, after)) = dotted_digit(&tail[between..]) {
        let period = format!("{first}{}{last}", &tail[..between]);
        return Some((period, rest.len() - after.len()));
    }
    Some((first.to_owned(), rest.len() - tail.len()))
}

fn dotted_digit(rest: &str) -> Option<(&str, &str)> {
    let after = rest.strip_prefix("\\dot")?.trim_start();
    let (digit, tail) = match after.strip_prefix('{') {
        Some(inner) => inner.split_once('}')?,
        None => after.split_at_checked(1)?,
    };
    (digit.len() == 1 && is_digits(digit)).then_some((digit, tail))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// `E3`, `e-3`: the power of ten and the bytes it takes.
fn scientific(bytes: &[u8]) -> Option<(i64, usize)> {
    if !matches!(bytes.first()?, b'e' | b'E') {
        return None;
    }
    let sign = usize::from(matches!(bytes.get(1)?, b'+' | b'-'));
    let digits = count_digits(&bytes[1 + sign..]);
    // `2e-3` reads as a power of ten; `2e-x` as Euler's number minus x.
    if digits == 0 {
        return None;
    }
    let end = 1 + sign + digits;
    if bytes
        .get(end)
        .is_some_and(|b| b.is_ascii_alphabetic() || *b == b'^' || *b == b'_')
    {
        return None;
    }
    let mut power: i64 = 0;
    for b in &bytes[1 + sign..end] {
        power = power.saturating_mul(10).saturating_add(i64::from(b - b'0'));
    }
    power = power.min(i64::from(i32::MAX));
    Some((if bytes[1] == b'-' { -power } else { power }, end))
}
