//! `tojson` as Python's `json.dumps` writes it.

use std::fmt::Write;

use super::{check_size, check_width};
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, Value};

/// `json.dumps(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False)`: keys in
/// order, `", "` and `": "` between (`","` at line ends with an indent), and none of the HTML
/// escapes of Jinja's own filter.
pub(super) fn tojson(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let ensure_ascii: Option<bool> = options.get("ensure_ascii")?;
    let sort_keys: Option<bool> = options.get("sort_keys")?;
    let separators: Option<Vec<String>> = options.get("separators")?;
    options.assert_all_used()?;
    check_width(indent)?;
    let comma = if indent.is_some() { "," } else { ", " };
    let separators = separators.unwrap_or_else(|| vec![comma.into(), ": ".into()]);
    let [comma, colon] = separators.try_into().map_err(|_| {
        let message = "separators must be a pair of strings";
        Error::new(ErrorKind::InvalidOperation, message)
    })?;
    let mut out = String::new();
    Json {
        indent,
        ensure_ascii: ensure_ascii.unwrap_or(false),
        sort_keys: sort_keys.unwrap_or(false),
        comma,
        colon,
    }
    .write(value, 0, &mut out)?;
    Ok(Value::from(out))
}

struct Json {
    indent: Option<usize>,
    ensure_ascii: bool,
    sort_keys: bool,
    comma: String,
    colon: String,
}

impl Json {
    fn write(&self, value: &Value, depth: usize, out: &mut String) -> Result<(), Error> {
        check_size(out.len())?;
        check_size(value.len().unwrap_or(0))?;
        match value.kind() {
            ValueKind::None => out.push_str("null"),
            ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => out.push_str(&super::show::repr(value)?),
            ValueKind::String => self.string(value.as_str().unwrap_or_default(), out),
            ValueKind::Seq | ValueKind::Iterable => {
                let items: Vec<Value> = value.try_iter()?.collect();
                self.list(['[', ']'], &items, depth, out, |item, out| {
                    self.write(item, depth + 1, out)
                })?;
            }
            ValueKind::Map => {
                let mut keys: Vec<Value> = value.try_iter()?.collect();
                if self.sort_keys {
                    keys.sort();
                }
                self.list(['{', '}'], &keys, depth, out, |key, out| {
                    self.string(&key.to_string(), out);
                    out.push_str(&self.colon);
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
                out.push_str(&self.comma);
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
}
