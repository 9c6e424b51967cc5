//! The rows of a JSON text: one object a line, or one list of objects.

use super::record::{Record, kind_of};
use crate::error::RlError;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::{Map, Value};
use std::{borrow::Cow, fmt, path::Path};

/// What files begin with that are no JSON text, and what to do about it.
const OTHERS: &[(&[u8], &str)] = &[
    (b"\xff\xfe", "UTF-16, expected UTF-8"),
    (b"\xfe\xff", "UTF-16, expected UTF-8"),
    (
        b"\x1f\x8b",
        "compressed with gzip, expected it unpacked (gunzip)",
    ),
    (
        b"\x28\xb5\x2f\xfd",
        "compressed with zstd, expected it unpacked (unzstd)",
    ),
    (b"PK\x03\x04", "a zip archive, expected it unpacked"),
    (b"PAR1", "parquet, expected a name that ends in .parquet"),
    (
        b"version https://git-lfs",
        "a pointer of Git LFS, expected the file itself (git lfs pull)",
    ),
];

/// Where the JSON of a row begins, and that JSON.
type Row<'a> = (usize, &'a [u8]);

/// The rows of the file `path`, which holds `bytes`, each with its own error.
///
/// # Errors
/// A file that is no JSON text, or a list that does not end.
pub(super) fn records(path: &Path, bytes: &[u8]) -> Result<Vec<Result<Record, RlError>>, RlError> {
    if let Some((_, what)) = OTHERS.iter().find(|(start, _)| bytes.starts_with(start)) {
        return Err(refusal(path, 1, format!("the file is {what}")));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let rows = match bytes.trim_ascii_start().first() {
        Some(b'[') => elements(bytes).map_err(|(line, message)| {
            refusal(
                path,
                line,
                format!("not a JSON list of data rows: {message}"),
            )
        })?,
        _ => lines(bytes),
    };
    let parse = |(line, json): Row<'_>| Record::parse(path, line, json);
    Ok(rows.into_iter().map(parse).collect())
}

fn refusal(path: &Path, line: usize, message: String) -> RlError {
    RlError::Data {
        path: path.into(),
        line,
        message,
    }
}

/// The lines that are not blank, with their numbers.
fn lines(bytes: &[u8]) -> Vec<Row<'_>> {
    let lines = bytes.split(|b| *b == b'\n').enumerate();
    let lines = lines.map(|(i, line)| (i + 1, line));
    lines
        .filter(|(_, line)| !line.trim_ascii().is_empty())
        .collect()
}

/// The elements of a list, each with the line it begins on.
fn elements(bytes: &[u8]) -> Result<Vec<Row<'_>>, (usize, String)> {
    let mut found = vec![];
    let (mut line, mut depth, mut quoted, mut escaped) = (1, 0_usize, false, false);
    let mut start: Option<(usize, usize)> = None;
    for (at, byte) in bytes.iter().enumerate() {
        line += usize::from(*byte == b'\n');
        if quoted {
            (quoted, escaped) = match (escaped, byte) {
                (false, b'"') => (false, false),
                (escaped, byte) => (true, !escaped && *byte == b'\\'),
            };
            continue;
        }
        if depth == 1 && matches!(byte, b',' | b']') {
            match start.take() {
                Some((line, from)) => found.push((line, &bytes[from..at])),
                // `[]` is an empty list.
                None if *byte == b']' && found.is_empty() => {}
                None => return Err((line, "expected a row before or after a comma".into())),
            }
            if *byte == b']' {
                let rest = bytes[at + 1..].trim_ascii();
                return match rest.is_empty() {
                    true => Ok(found),
                    false => Err((line, "expected nothing after the list".into())),
                };
            }
            continue;
        }
        let is_first = depth == 1 && start.is_none() && !byte.is_ascii_whitespace();
        if is_first {
            start = Some((line, at));
        }
        match byte {
            b'"' => quoted = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Err((line, "the list does not end, expected `]`".into()))
}

impl Record {
    /// A line of a JSONL file, or an element of a list.
    pub(super) fn parse(path: &Path, line: usize, json: &[u8]) -> Result<Self, RlError> {
        let refuse = |line, message| Err(refusal(path, line, format!("not a data row: {message}")));
        if !json.trim_ascii_start().starts_with(b"{") {
            return match serde_json::from_slice::<Value>(json) {
                Ok(other) => {
                    let found = kind_of(&other);
                    refuse(line, format!("found {found}, expected a JSON object"))
                }
                Err(error) => refuse(line, place(&error)),
            };
        }
        let parsed =
            serde_json::from_slice::<Fields>(json).or_else(|error| {
                match without_not_finite(json) {
                    Cow::Owned(json) => serde_json::from_slice(&json),
                    Cow::Borrowed(_) => Err(error),
                }
            });
        match parsed {
            Ok(Fields(fields)) => Ok(Self {
                fields,
                pictures: vec![],
                line,
            }),
            Err(error) => {
                let more = match error.is_eof() && !json.trim_ascii_end().ends_with(b"}") {
                    true => ": a row of JSONL is one whole line",
                    false => "",
                };
                let line = line + error.line().saturating_sub(1);
                refuse(line, format!("{}{more}", place(&error)))
            }
        }
    }
}

/// The message of an error in a row, which says the line itself.
fn place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let message = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(m, _)| m);
    format!("{message} at column {}", error.column())
}

/// An object none of whose keys comes twice: which of two values is meant, nobody can tell.
struct Fields(Map<String, Value>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;

        impl<'de> Visitor<'de> for Keys {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Fields, A::Error> {
                let mut fields = Map::new();
                while let Some(key) = entries.next_key::<String>()? {
                    if fields.contains_key(&key) {
                        return Err(A::Error::custom(format!("`{key}` is there twice")));
                    }
                    let value = entries.next_value()?;
                    fields.insert(key, value);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// The same with `null` for the numbers that Python writes and JSON does not know; borrowed where
/// there are none.
fn without_not_finite(json: &[u8]) -> Cow<'_, [u8]> {
    const NAMES: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];
    let mut out = vec![];
    let (mut copied, mut at, mut quoted) = (0, 0, false);
    while at < json.len() {
        match json[at] {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            _ => {
                if let Some(name) = NAMES.iter().find(|name| json[at..].starts_with(name)) {
                    out.extend_from_slice(&json[copied..at]);
                    out.extend_from_slice(b"null");
                    at += name.len();
                    copied = at;
                    continue;
                }
            }
        }
        at += 1;
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    out.extend_from_slice(&json[copied..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: impl AsRef<[u8]>) -> Result<Vec<Record>, String> {
        let all = records(Path::new("f"), text.as_ref()).map_err(|e| e.to_string())?;
        let all: Result<Vec<_>, _> = all.into_iter().collect();
        all.map_err(|e| e.to_string())
    }

    #[test]
    fn text_as_other_programs_write_it() {
        for text in [
            "{\"a\":1}\n{\"a\":2}\n",
            "\u{feff}{\"a\":1}\r\n\r\n{\"a\":2}\r\n\n\n",
            "[{\"a\":1},{\"a\":2}]",
            "\u{feff}[\n {\"a\": 1},\n {\"a\": 2}\n]\n",
        ] {
            let rows = read(text).unwrap();
            let found: Vec<&Value> = rows.iter().map(|row| &row.fields["a"]).collect();
            assert_eq!(found, [1, 2], "{text:?}");
        }
        assert!(read("").unwrap().is_empty() && read("[ ]").unwrap().is_empty());
        let rows = read("[\n{\"a\": \"],\\\"}{\"},\n\n{\"a\": [[1, {}], 2]}]").unwrap();
        let lines: Vec<usize> = rows.iter().map(|row| row.line).collect();
        assert_eq!(lines, [2, 4]);
    }

    #[test]
    fn what_python_writes_for_numbers_that_are_none_is_null_outside_of_texts() {
        let rows = read(r#"{"a":NaN,"b":[-Infinity,Infinity],"c":"NaN \" NaN"}"#).unwrap();
        let expected = serde_json::json!({"a": null, "b": [null, null], "c": "NaN \" NaN"});
        assert_eq!(Value::Object(rows[0].fields.clone()), expected);
    }

    #[test]
    fn what_cannot_be_read_is_said_with_its_line() {
        let gzip: &[u8] = b"\x1f\x8b\x08";
        for (bytes, expected) in [
            (gzip, "f:1: the file is compressed with gzip"),
            (b"\xff\xfe{\0", "f:1: the file is UTF-16, expected UTF-8"),
            (b"PAR1....PAR1", "a name that ends in .parquet"),
            (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
            (
                b"{}\n{\"a\":1,\"a\":2}",
                "f:2: not a data row: `a` is there twice",
            ),
            (b"{\n\"a\": 1}", "f:1: not a data row: EOF while parsing"),
            (
                b"{\"a\": nope}",
                "f:1: not a data row: expected ident at column",
            ),
            (
                b"{}\n3",
                "f:2: not a data row: found a number, expected a JSON object",
            ),
            (b"[{},\n3]", "f:2: not a data row: found a number"),
            (
                b"[{},\n]",
                "f:2: not a JSON list of data rows: expected a row",
            ),
            (
                b"[{}\n\n",
                "f:3: not a JSON list of data rows: the list does not end",
            ),
            (
                b"[{}] {}",
                "f:1: not a JSON list of data rows: expected nothing",
            ),
            (
                b"[\n{\n\"a\": nope}]",
                "f:3: not a data row: expected ident",
            ),
        ] {
            let message = read(bytes).unwrap_err();
            assert!(
                message.contains(expected),
                "{message} instead of {expected}"
            );
        }
    }
}
