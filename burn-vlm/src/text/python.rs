//! What chat templates expect of the Python around them: `tojson`, `strftime_now`,
//! `raise_exception`.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, Value};

/// `json.dumps(value, ensure_ascii=False, indent=None)`: keys in order, `", "` and `": "` between
/// (`","` at line ends with an indent), and none of the HTML escapes of Jinja's own filter.
pub(super) fn tojson(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let ensure_ascii: Option<bool> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    let mut out = String::new();
    Json {
        indent,
        ensure_ascii: ensure_ascii.unwrap_or(false),
    }
    .write(value, 0, &mut out)?;
    Ok(Value::from(out))
}

struct Json {
    indent: Option<usize>,
    ensure_ascii: bool,
}

impl Json {
    fn write(&self, value: &Value, depth: usize, out: &mut String) -> Result<(), Error> {
        match value.kind() {
            ValueKind::None => out.push_str("null"),
            ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => out.push_str(&value.to_string()),
            ValueKind::String => self.string(value.as_str().unwrap_or_default(), out),
            ValueKind::Seq | ValueKind::Iterable => {
                let items: Vec<Value> = value.try_iter()?.collect();
                self.list(['[', ']'], &items, depth, out, |item, out| {
                    self.write(item, depth + 1, out)
                })?;
            }
            ValueKind::Map => {
                let keys: Vec<Value> = value.try_iter()?.collect();
                self.list(['{', '}'], &keys, depth, out, |key, out| {
                    self.string(&key.to_string(), out);
                    out.push_str(": ");
                    self.write(&value.get_item(key)?, depth + 1, out)
                })?;
            }
            kind => {
                let message = format!("{kind} is not JSON serializable");
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
        }
        Ok(())
    }

    fn list(
        &self,
        [open, close]: [char; 2],
        items: &[Value],
        depth: usize,
        out: &mut String,
        mut write: impl FnMut(&Value, &mut String) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let line = |depth: usize, out: &mut String| {
            if let Some(indent) = self.indent {
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', indent * depth));
            }
        };
        out.push(open);
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                out.push_str(if self.indent.is_some() { "," } else { ", " });
            }
            line(depth + 1, out);
            write(item, out)?;
        }
        if !items.is_empty() {
            line(depth, out);
        }
        out.push(close);
        Ok(())
    }

    fn string(&self, text: &str, out: &mut String) {
        out.push('"');
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{C}' => out.push_str("\\f"),
                c if c < ' ' || (self.ensure_ascii && c > '~') => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        // Writing to a String cannot fail.
                        let _ = write!(out, "\\u{unit:04x}");
                    }
                }
                c => out.push(c),
            }
        }
        out.push('"');
    }
}

/// A template's own refusal of a conversation.
pub(super) fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// The current date and time by Python's `strftime`, in UTC.
pub(super) fn strftime_now(format: String) -> Result<String, Error> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |passed| passed.as_secs());
    strftime(now, &format)
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// The instant `seconds` after 1970-01-01 00:00 UTC.
fn strftime(seconds: u64, format: &str) -> Result<String, Error> {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (mut year, mut day) = (1970, days);
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let day_of_year = day + 1;
    let mut month = 0;
    let lengths = [
        31,
        28 + u64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    // 1970-01-01 was a Thursday.
    let weekday = DAYS[((days + 3) % 7) as usize];
    let (hour, hour12) = (second / 3600, (second / 3600 + 11) % 12 + 1);

    let mut out = String::new();
    let mut characters = format.chars();
    while let Some(c) = characters.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let code = characters.next();
        let (code, pad) = match code {
            Some('-') => (characters.next(), false),
            _ => (code, true),
        };
        let number = |value: u64, width: usize| {
            if pad {
                format!("{value:0width$}")
            } else {
                value.to_string()
            }
        };
        out += &match code {
            Some('Y') => year.to_string(),
            Some('y') => number(year % 100, 2),
            Some('m') => number(month as u64 + 1, 2),
            Some('d') => number(day + 1, 2),
            Some('e') => format!("{:2}", day + 1),
            Some('j') => number(day_of_year, 3),
            Some('H') => number(hour, 2),
            Some('I') => number(hour12, 2),
            Some('M') => number(second / 60 % 60, 2),
            Some('S') => number(second % 60, 2),
            Some('p') => (if hour < 12 { "AM" } else { "PM" }).into(),
            Some('B') => MONTHS[month].into(),
            Some('b') => MONTHS[month][..3].into(),
            Some('A') => weekday.into(),
            Some('a') => weekday[..3].into(),
            Some('F') => format!("{year}-{:02}-{:02}", month + 1, day + 1),
            Some('T') => format!("{hour:02}:{:02}:{:02}", second / 60 % 60, second % 60),
            Some('Z') => "UTC".into(),
            Some('z') => "+0000".into(),
            Some('%') => "%".into(),
            other => {
                let message = format!("strftime_now does not know %{}", other.unwrap_or(' '));
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
        };
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dumps(expression: &str) -> String {
        let mut env = minijinja::Environment::new();
        env.add_filter("tojson", tojson);
        env.render_str(&format!("{{{{ {expression} }}}}"), ())
            .unwrap()
    }

    /// Expected strings printed by Python 3.11's `json.dumps(…, ensure_ascii=False, …)`.
    #[test]
    fn tojson_writes_what_python_writes() {
        let value = r#"{"b": [1, 2.5, true, false, none], "a": {}, "é<>&'": "x\"\\\n\t", "l": []}"#;
        let flat = r#"{"b": [1, 2.5, true, false, null], "a": {}, "é<>&'": "x\"\\\n\t", "l": []}"#;
        assert_eq!(dumps(&format!("{value}|tojson")), flat);
        let lines = "{\n  \"b\": [\n    1,\n    2.5\n  ],\n  \"a\": {},\n  \"l\": []\n}";
        assert_eq!(
            dumps(r#"{"b": [1, 2.5], "a": {}, "l": []}|tojson(indent=2)"#),
            lines
        );
        assert_eq!(
            dumps(r#""é🎉"|tojson(ensure_ascii=true)"#),
            r#""\u00e9\ud83c\udf89""#
        );
        assert_eq!(dumps(r#""é🎉"|tojson(ensure_ascii=false)"#), r#""é🎉""#);
    }

    /// Expected strings printed by Python 3.11 for the same instants in UTC.
    #[test]
    fn strftime_writes_what_python_writes() {
        let all = "%Y %y %m %d %e %j %H %I %M %S %p %B %b %A %a %F %T %%";
        let leap_day =
            "2024 24 02 29 29 060 13 01 02 03 PM February Feb Thursday Thu 2024-02-29 13:02:03 %";
        assert_eq!(strftime(1_709_211_723, all).unwrap(), leap_day);
        assert_eq!(
            strftime(0, "%d %b %Y, %A, %-d/%-m, %e, %I %p").unwrap(),
            "01 Jan 1970, Thursday, 1/1,  1, 12 AM"
        );
        assert_eq!(strftime(4_102_444_799, "%F %j").unwrap(), "2099-12-31 365");
        assert!(strftime(0, "%Q").unwrap_err().to_string().contains("%Q"));
        assert_eq!(strftime_now("%Y".into()).unwrap().len(), 4);
    }
}
