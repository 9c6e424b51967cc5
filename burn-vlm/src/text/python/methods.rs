//! Methods of Python's strings and lists. Those not here are `minijinja_contrib`'s.

use super::{check_joined, check_replaced, check_width, check_widths_in};
use minijinja::value::{Kwargs, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

/// Calls `value.method(*args)`.
pub(super) fn call(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    let found = match (value.as_str(), value.kind()) {
        (Some(text), _) => of_string(text, method, args)?,
        (None, ValueKind::Seq) if method == "index" => Some(index_in(value, args)?),
        (None, ValueKind::Map) if method == "copy" => {
            let () = from_args(args)?;
            Some(value.clone())
        }
        _ => None,
    };
    match found {
        Some(found) => Ok(found),
        None => pycompat::unknown_method_callback(state, value, method, args),
    }
}

/// The filter `trim`: `str.strip`.
pub(super) fn trim(text: &Value, characters: Option<&str>) -> Result<String, Error> {
    let text = super::show::str(text)?;
    let inside = |c: char| strips(c, characters);
    Ok(text.trim_matches(inside).to_owned())
}

fn of_string(text: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let value = match method {
        "strip" | "lstrip" | "rstrip" => {
            let (characters,): (Option<&str>,) = from_args(args)?;
            let inside = |c: char| strips(c, characters);
            Value::from(match method {
                "strip" => text.trim_matches(inside),
                "lstrip" => text.trim_start_matches(inside),
                _ => text.trim_end_matches(inside),
            })
        }
        "split" | "rsplit" => split(text, args, method == "rsplit")?,
        "splitlines" => {
            let (keep, named): (Option<bool>, Kwargs) = from_args(args)?;
            let keep = keep.or(named.get("keepends")?).unwrap_or(false);
            named.assert_all_used()?;
            splitlines(text, keep)
                .into_iter()
                .map(Value::from)
                .collect()
        }
        "partition" | "rpartition" => {
            let (separator,): (&str,) = from_args(args)?;
            let parts = match (method, text.split_once(separator)) {
                (_, None) if method == "partition" => [text, "", ""],
                (_, None) => ["", "", text],
                ("partition", Some((before, after))) => [before, separator, after],
                _ => {
                    let (before, after) = text.rsplit_once(separator).unwrap_or_default();
                    [before, separator, after]
                }
            };
            Value::from(parts.map(Value::from).to_vec())
        }
        "removeprefix" | "removesuffix" => {
            let (end,): (&str,) = from_args(args)?;
            let rest = match method {
                "removeprefix" => text.strip_prefix(end),
                _ => text.strip_suffix(end),
            };
            Value::from(rest.unwrap_or(text))
        }
        "index" | "rindex" => {
            let (what,): (&str,) = from_args(args)?;
            let found = match method {
                "index" => text.find(what),
                _ => text.rfind(what),
            };
            let missing = || Error::new(ErrorKind::InvalidOperation, "substring not found");
            Value::from(text[..found.ok_or_else(missing)?].chars().count())
        }
        "casefold" => {
            let () = from_args(args)?;
            Value::from(text.to_lowercase().replace('ß', "ss"))
        }
        "swapcase" => {
            let () = from_args(args)?;
            let swap = |c: char| -> String {
                if c.is_uppercase() {
                    c.to_lowercase().collect()
                } else {
                    c.to_uppercase().collect()
                }
            };
            Value::from(text.chars().map(swap).collect::<String>())
        }
        "ljust" | "rjust" | "center" => {
            let (width, fill): (i64, Option<char>) = from_args(args)?;
            Value::from(pad(text, method, width, fill.unwrap_or(' '))?)
        }
        "zfill" => {
            let (width,): (i64,) = from_args(args)?;
            let digits = text.trim_start_matches(['+', '-']);
            let sign = &text[..text.len() - digits.len()];
            let width = width.saturating_sub(sign.len() as i64);
            Value::from(format!("{sign}{}", pad(digits, "rjust", width, '0')?))
        }
        // What follows is minijinja's own, where the result fits.
        "format" => {
            check_widths_in(text)?;
            return Ok(None);
        }
        "replace" => {
            if let [old, new, ..] = args {
                let [old, new] = [old, new].map(|text| text.as_str().unwrap_or_default());
                check_replaced(text, old, new)?;
            }
            return Ok(None);
        }
        "join" => {
            if let [list] = args {
                check_joined(text.len(), list)?;
            }
            return Ok(None);
        }
        _ => return Ok(None),
    };
    Ok(Some(value))
}

/// White space in Python's sense: Unicode's, and the four separators of ASCII.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

fn strips(c: char, characters: Option<&str>) -> bool {
    characters.map_or_else(|| is_space(c), |set| set.contains(c))
}

fn split(text: &str, args: &[Value], from_right: bool) -> Result<Value, Error> {
    let (separator, most, named): (Option<&str>, Option<i64>, Kwargs) = from_args(args)?;
    let separator = separator.or(named.get("sep")?);
    let most = most.or(named.get("maxsplit")?).unwrap_or(-1);
    named.assert_all_used()?;
    let pieces = usize::try_from(most).map_or(usize::MAX, |most| most.saturating_add(1));
    let parts: Vec<&str> = match (separator, from_right) {
        (Some(""), _) => {
            return Err(Error::new(ErrorKind::InvalidOperation, "empty separator"));
        }
        (Some(separator), false) => text.splitn(pieces, separator).collect(),
        (Some(separator), true) => {
            let mut parts: Vec<&str> = text.rsplitn(pieces, separator).collect();
            parts.reverse();
            parts
        }
        (None, false) => words(text, pieces),
        (None, true) => words_from_right(text, pieces),
    };
    Ok(parts.into_iter().map(Value::from).collect())
}

/// `text.split(None, pieces - 1)`: the last piece keeps the white space inside and after it.
fn words(text: &str, pieces: usize) -> Vec<&str> {
    let (mut found, mut rest) = (Vec::new(), text.trim_start_matches(is_space));
    while !rest.is_empty() {
        if found.len() + 1 == pieces {
            found.push(rest);
            break;
        }
        let end = rest.find(is_space).unwrap_or(rest.len());
        found.push(&rest[..end]);
        rest = rest[end..].trim_start_matches(is_space);
    }
    found
}

fn words_from_right(text: &str, pieces: usize) -> Vec<&str> {
    let (mut found, mut rest) = (Vec::new(), text.trim_end_matches(is_space));
    while !rest.is_empty() {
        if found.len() + 1 == pieces {
            found.push(rest);
            break;
        }
        let last = rest.char_indices().rev().find(|(_, c)| is_space(*c));
        let start = last.map_or(0, |(at, c)| at + c.len_utf8());
        found.push(&rest[start..]);
        rest = rest[..start].trim_end_matches(is_space);
    }
    found.reverse();
    found
}

/// The line ends of Python's `str.splitlines`.
fn splitlines(text: &str, keep: bool) -> Vec<&str> {
    let ends_line = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        ) || ('\u{1c}'..='\u{1e}').contains(&c)
    };
    let (mut lines, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let end = rest.find(ends_line).unwrap_or(rest.len());
        let mark = match rest[end..].chars().next() {
            Some('\r') if rest[end..].starts_with("\r\n") => 2,
            Some(c) => c.len_utf8(),
            None => 0,
        };
        lines.push(&rest[..if keep { end + mark } else { end }]);
        rest = &rest[end + mark..];
    }
    lines
}

fn pad(text: &str, method: &str, width: i64, fill: char) -> Result<String, Error> {
    let missing = usize::try_from(width).unwrap_or(0);
    check_width(Some(missing))?;
    let missing = missing.saturating_sub(text.chars().count());
    let left = match method {
        "ljust" => 0,
        "rjust" => missing,
        // CPython puts the odd one on the left if the width is odd too.
        _ => missing / 2 + (missing & usize::try_from(width).unwrap_or(0) & 1),
    };
    let fill = |n: usize| std::iter::repeat_n(fill, n);
    let padded = fill(left).chain(text.chars());
    Ok(padded.chain(fill(missing - left)).collect())
}

fn index_in(list: &Value, args: &[Value]) -> Result<Value, Error> {
    let (what,): (&Value,) = from_args(args)?;
    let place = list.try_iter()?.position(|item| item == *what);
    let missing = || Error::new(ErrorKind::InvalidOperation, "the item is not in the list");
    Ok(Value::from(place.ok_or_else(missing)?))
}
