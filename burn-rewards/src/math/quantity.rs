//! Answers of several numbers that are one quantity: `2 hours 30 minutes`, `36^\circ 52'`,
//! `90 million`; and the time of day.

use super::tree::Expr;
use super::units::trim_spacing;
use super::words;

/// Longer texts are no quantity.
const MAX_BYTES: usize = 120;

/// A unit that stands in quantities of several: its kind, and how many of the smallest of that
/// kind it is.
fn part(unit: &str) -> Option<(&'static str, u64)> {
    let unit = unit.trim_end_matches('.');
    Some(match unit {
        "year" | "years" | "yr" | "yrs" | "年" => ("months", 12),
        "month" | "months" | "个月" | "月" => ("months", 1),
        "week" | "weeks" => ("seconds", 604_800),
        "day" | "days" | "天" => ("seconds", 86_400),
        "hour" | "hours" | "hr" | "hrs" | "h" | "小时" => ("seconds", 3_600),
        "minute" | "minutes" | "min" | "mins" | "分钟" | "分" => ("seconds", 60),
        "second" | "seconds" | "sec" | "secs" | "s" | "秒" => ("seconds", 1),
        "mile" | "miles" | "mi" => ("inches", 63_360),
        "yard" | "yards" | "yd" | "yds" => ("inches", 36),
        "foot" | "feet" | "ft" => ("inches", 12),
        "inch" | "inches" | "in" => ("inches", 1),
        "km" | "kilometers" | "kilometres" => ("millimetres", 1_000_000),
        "m" | "meter" | "meters" | "metre" | "metres" | "米" => ("millimetres", 1_000),
        "dm" => ("millimetres", 100),
        "cm" | "centimeters" | "centimetres" | "厘米" => ("millimetres", 10),
        "mm" => ("millimetres", 1),
        "kg" | "kilograms" | "千克" => ("grams", 1_000),
        "g" | "gram" | "grams" | "克" => ("grams", 1),
        "pound" | "pounds" | "lb" | "lbs" => ("ounces", 16),
        "ounce" | "ounces" | "oz" => ("ounces", 1),
        "dollar" | "dollars" => ("cents", 100),
        "cent" | "cents" => ("cents", 1),
        "元" => ("角", 10),
        "角" => ("角", 1),
        "degree" | "degrees" | "°" | "度" => ("seconds of arc", 3_600),
        "'" | "′" | "’" => ("seconds of arc", 60),
        "\"" | "″" | "''" => ("seconds of arc", 1),
        _ => return None,
    })
}

/// The quantity that `text` is, in its smallest unit, if it has at least two parts of one kind,
/// larger before smaller: `2 hours 30 minutes` is `9000 seconds`.
pub(super) fn compound(text: &str) -> Option<String> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if text.len() > MAX_BYTES || digits < 2 {
        return None;
    }
    let mut rest = text.trim();
    let mut kind = None;
    let (mut sum, mut last, mut parts) = (0_u64, u64::MAX, 0);
    while !rest.is_empty() {
        let len = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..len].parse().ok()?;
        let (unit, after) = unit(trim_start(&rest[len..]))?;
        // After degrees the minute of arc, elsewhere that of an hour.
        let (this, size) = match (kind, part(unit)?) {
            (Some("seconds of arc"), ("seconds", size)) if size <= 60 => ("seconds of arc", size),
            (_, found) => found,
        };
        if size >= last || kind.is_some_and(|k| k != this) {
            return None;
        }
        kind = Some(this);
        sum = sum.checked_add(number.checked_mul(size)?)?;
        (last, parts) = (size, parts + 1);
        rest = trim_start(after);
        for joint in [",", "and ", "\\text{and}", "\\text{ and }"] {
            rest = trim_start(rest.strip_prefix(joint).unwrap_or(rest));
        }
    }
    (parts > 1).then(|| format!("{sum} {}", kind.unwrap_or_default()))
}

fn trim_start(text: &str) -> &str {
    let mut rest = text;
    loop {
        let before = rest.len();
        rest = rest.trim_start_matches([' ', '~', '\u{a0}']);
        for spacing in ["\\,", "\\;", "\\:", "\\ ", "\\!"] {
            rest = rest.strip_prefix(spacing).unwrap_or(rest);
        }
        if rest.len() == before {
            return rest;
        }
    }
}

/// The unit at the start of `text`, however it is set, and what follows it.
fn unit(text: &str) -> Option<(&str, &str)> {
    for degree in ["^{\\circ}", "^\\circ", "\\circ", "\\degree", "°"] {
        if let Some(after) = text.strip_prefix(degree) {
            return Some(("°", after));
        }
    }
    for prime in ["^{\\prime}", "^\\prime", "\\prime"] {
        if let Some(after) = text.strip_prefix(prime) {
            return Some(("'", after));
        }
    }
    for command in ["\\text", "\\mathrm", "\\mbox", "\\textrm"] {
        if let Some(after) = text.strip_prefix(command) {
            let (words, after) = after.strip_prefix('{')?.split_once('}')?;
            return Some((words.trim(), after));
        }
    }
    let letters = |c: char| c.is_alphabetic();
    let len = match text.chars().next()? {
        '\'' if text.starts_with("''") => 2,
        c @ ('\'' | '"' | '′' | '″' | '’') => c.len_utf8(),
        _ => text.find(|c| !letters(c)).unwrap_or(text.len()),
    };
    (len > 0).then(|| text.split_at(len))
}

/// The value in front of a word of magnitude, and what it is multiplied by.
pub(super) fn magnitude(text: &str) -> Option<(&str, u64)> {
    let text = text.trim_end();
    let (head, word) = match text.strip_suffix('}') {
        Some(inner) => {
            let (head, word) = inner.rsplit_once('{')?;
            let head = ["\\text", "\\mathrm", "\\mbox", "\\textrm"]
                .iter()
                .find_map(|c| head.strip_suffix(c))?;
            (head, word)
        }
        None => {
            let at = text.rfind(|c: char| !c.is_alphabetic())?;
            let from = at + text[at..].chars().next()?.len_utf8();
            text.split_at(from)
        }
    };
    let factor = words::magnitude(word.trim())?;
    let head = trim_spacing(head);
    let ends = head.ends_with(|c: char| c.is_ascii_digit() || matches!(c, '}' | ')'));
    ends.then_some((head, factor))
}

/// A time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time {
    hours: u32,
    minutes: u32,
    /// Whether it could be a ratio in lowest terms.
    reduced: bool,
}

impl Time {
    /// As it is compared.
    pub(super) fn text(self) -> String {
        format!("{}:{:02}", self.hours, self.minutes)
    }

    /// The time and the ratio that the same digits are, the likelier first.
    pub(super) fn readings(self) -> Vec<Expr> {
        let side = |n: u32| Box::new(Expr::int(i64::from(n)));
        let time = Expr::Text(self.text().into());
        let ratio = Expr::Div(side(self.hours), side(self.minutes));
        match self.reduced {
            _ if self.minutes == 0 => vec![time],
            true => vec![ratio, time],
            false => vec![time, ratio],
        }
    }
}

/// The time of day that `text` is, as hours and minutes: `3:30`, `03:30`, `3{:}30 \text{ PM}`.
///
/// What could be a ratio in lowest terms (`3:10`) is one first.
pub(super) fn time_of_day(text: &str) -> Option<Time> {
    if text.len() > 40 || !text.contains(':') {
        return None;
    }
    let plain: String = text
        .replace("{:}", ":")
        .replace("\\text", "")
        .replace("\\mathrm", "")
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '{' | '}' | '.' | '~' | '\\' | ','))
        .collect();
    let lower = plain.to_lowercase();
    let clock = lower.trim_end_matches("o'clock");
    let digits = clock
        .strip_suffix("am")
        .or_else(|| clock.strip_suffix("pm"));
    let named = digits.is_some();
    let (hours, minutes) = digits.unwrap_or(clock).split_once(':')?;
    let number = |s: &str, longest: usize| {
        let fits = (1..=longest).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit());
        s.parse::<u32>().ok().filter(|_| fits)
    };
    let (h, m) = (number(hours, 2)?, number(minutes, 2)?);
    let reduced = gcd(h, m) == 1 && !minutes.starts_with('0') && !hours.starts_with('0');
    let is_time = minutes.len() == 2 && h <= 24 && m < 60;
    is_time.then_some(Time {
        hours: h,
        minutes: m,
        reduced: reduced && !named,
    })
}

/// Whether the first of these readings is a time of day.
pub(super) fn is_time(readings: &[Expr]) -> bool {
    matches!(readings.first(), Some(Expr::Text(text)) if time_of_day(text).is_some())
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_parts_are_one_quantity() {
        for (text, quantity) in [
            ("2 hours 30 minutes", Some("9000 seconds")),
            (r"2 \text{ hours } 30 \text{ minutes}", Some("9000 seconds")),
            ("2 h 30 min", Some("9000 seconds")),
            ("5 feet 6 inches", Some("66 inches")),
            ("36^\\circ 52'", Some("132720 seconds of arc")),
            ("36°52′", Some("132720 seconds of arc")),
            ("2小时30分", Some("9000 seconds")),
            ("5 dollars and 20 cents", Some("520 cents")),
            ("30 minutes", None),
            ("30 minutes 2 hours", None),
            ("3 feet 5 hours", None),
            ("3 m + 5 cm", None),
            ("7 cm, 24 cm, 25 cm", None),
        ] {
            assert_eq!(compound(text).as_deref(), quantity, "{text}");
        }
    }

    #[test]
    fn times_and_ratios() {
        for (text, time) in [
            ("3:30", Some("3:30")),
            ("3{:}30", Some("3:30")),
            (r"\text{3:30 PM}", Some("3:30")),
            (r"11:53\text{ p.m.}", Some("11:53")),
            ("12:00", Some("12:00")),
            ("9:05", Some("9:05")),
            ("3:10", Some("3:10")),
            ("3:4", None),
            ("1:2:3", None),
            ("25:10", None),
            ("24:9", None),
        ] {
            let read = time_of_day(text).map(Time::text);
            assert_eq!(read.as_deref(), time, "{text}");
        }
    }

    #[test]
    fn magnitudes() {
        assert_eq!(magnitude("90 million"), Some(("90", 1_000_000)));
        assert_eq!(magnitude(r"90\ \text{ thousand}"), Some(("90", 1_000)));
        assert_eq!(magnitude("9万"), Some(("9", 10_000)));
        assert_eq!(magnitude("million"), None);
        assert_eq!(magnitude("90 apples"), None);
    }
}
