//! Python's `str` and `repr`.

use std::fmt::Write;

use super::check_size;
use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, Value};

/// `str(value)`.
pub(super) fn str(value: &Value) -> Result<String, Error> {
    match value.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => repr(value),
    }
}

/// `repr(value)`.
pub(super) fn repr(value: &Value) -> Result<String, Error> {
    let mut out = String::new();
    write(value, &mut out);
    check_size(out.len())?;
    Ok(out)
}

fn write(value: &Value, out: &mut String) {
    match value.kind() {
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::String => quote(value.as_str().unwrap_or_default(), out),
        // A list that is repeated is one that can only be walked.
        ValueKind::Seq | ValueKind::Iterable => {
            let tuple = value.downcast_object_ref::<Tuple>().is_some();
            let marks = if tuple { ['(', ')'] } else { ['[', ']'] };
            list(marks, value, out, write);
            if tuple && value.len() == Some(1) {
                out.insert(out.len() - 1, ',');
            }
        }
        ValueKind::Number => number(value, out),
        ValueKind::Map => list(['{', '}'], value, out, |key, out| {
            write(key, out);
            out.push_str(": ");
            write(&value.get_item(key).unwrap_or_default(), out);
        }),
        // What has no Python counterpart.
        _ => out.push_str(&value.to_string()),
    }
}

fn list(
    [open, close]: [char; 2],
    items: &Value,
    out: &mut String,
    each: impl Fn(&Value, &mut String),
) {
    out.push(open);
    for (i, item) in items.try_iter().into_iter().flatten().enumerate() {
        // What is longer is refused, however it goes on.
        if check_size(out.len()).is_err() {
            break;
        }
        if i > 0 {
            out.push_str(", ");
        }
        each(&item, out);
    }
    out.push(close);
}

/// Whole numbers as they are; of others those that Python writes with an exponent.
fn number(value: &Value, out: &mut String) {
    let text = value.to_string();
    let float = text
        .contains(['.', 'e', 'N', 'i'])
        .then(|| text.parse::<f64>().ok());
    let Some(Some(float)) = float else {
        out.push_str(&text);
        return;
    };
    let size = float.abs();
    if float.is_finite() && size != 0.0 && !(1e-4..1e16).contains(&size) {
        let scientific = format!("{float:e}");
        let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        // Writing to a String cannot fail.
        let _ = write!(out, "{digits}e{sign}{exponent:0>2}");
    } else {
        out.push_str(&text);
    }
}

/// A string literal: single quotes unless it holds some and no double ones.
fn quote(text: &str, out: &mut String) {
    let mark = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(mark);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == mark => {
                out.push('\\');
                out.push(c);
            }
            c if c < ' ' || ('\u{7f}'..='\u{a0}').contains(&c) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(mark);
}
