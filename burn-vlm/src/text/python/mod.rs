//! What chat templates expect of the Python around them. `transformers` renders them with Jinja2 in
//! a sandbox: methods of Python's strings and dictionaries, its way of printing values, `tojson`,
//! `strftime_now`, `raise_exception`, and the tag `{% generation %}`.

use std::borrow::Cow;

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Output, State, Value};

mod json;
mod methods;
mod show;
mod time;

/// Gives `environment` what Python has.
pub(super) fn install(environment: &mut Environment<'static>) {
    environment.set_unknown_method_callback(methods::call);
    environment.set_formatter(print);
    environment.add_filter("tojson", json::tojson);
    environment.add_filter("string", |value: &Value| show::str(value));
    environment.add_filter("trim", methods::trim);
    environment.add_filter("int", int);
    environment.add_filter("wordcount", |text: &str| text.split_whitespace().count());
    environment.add_test("sequence", is_sequence);
    environment.add_test("iterable", is_iterable);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", time::strftime_now);
}

/// `source` with the tags `{% generation %}` and `{% endgeneration %}`, which mark the assistant's
/// words for training and print nothing, turned into a condition that always holds. Their
/// white-space control is kept.
pub(super) fn without_generation_tags(source: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(open) = source[at..].find("{%") {
        let start = at + open;
        at = start + 2;
        let Some(length) = source[at..].find("%}") else {
            break;
        };
        let tag = &source[at..at + length];
        let name = tag.trim_start_matches(['-', '+']);
        let left = &tag[..tag.len() - name.len()];
        let word = name.trim_end_matches(['-', '+']);
        let right = &name[word.len()..];
        let instead = match word.trim() {
            "generation" => "if true",
            "endgeneration" => "endif",
            _ => continue,
        };
        out.push_str(&source[copied..start]);
        out.push_str(&format!("{{%{left} {instead} {right}%}}"));
        at += length + 2;
        copied = at;
    }
    if copied == 0 {
        return Cow::Borrowed(source);
    }
    out.push_str(&source[copied..]);
    Cow::Owned(out)
}

/// Prints a value as Python's `str` writes it; what is undefined prints nothing.
fn print(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if value.is_undefined() {
        return Ok(());
    }
    match value.as_str() {
        Some(text) => out.write_str(text),
        None => out.write_str(&show::str(value)),
    }
    .map_err(Error::from)
}

/// Whatever has a length and items, as Jinja2 has it: strings, dictionaries and the undefined value
/// too.
fn is_sequence(value: &Value) -> bool {
    let kinds = [
        ValueKind::Seq,
        ValueKind::String,
        ValueKind::Map,
        ValueKind::Undefined,
    ];
    kinds.contains(&value.kind())
}

/// What Python's `iter` takes; none is not of it.
fn is_iterable(value: &Value) -> bool {
    is_sequence(value) || value.kind() == ValueKind::Iterable
}

/// The whole part of a number or of a text that spells one, else `default`, else 0.
fn int(value: &Value, default: Option<i64>) -> i64 {
    let number = match value.as_str().map(str::trim) {
        Some(text) => {
            let whole = text.parse::<i64>().ok();
            whole.or_else(|| text.parse::<f64>().ok().map(|number| number as i64))
        }
        None if value.kind() == ValueKind::Bool => Some(i64::from(value.is_true())),
        None => i64::try_from(value.clone()).ok().or_else(|| {
            let number = f64::try_from(value.clone()).ok();
            number.map(|number| number as i64)
        }),
    };
    number.or(default).unwrap_or(0)
}

/// A template's own refusal of a conversation.
fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generation_tags_keep_their_white_space_control() {
        let source = "a {%- generation -%} b {% endgeneration %} {%generation+%}c{%endgeneration%} {% set generation = 1 %}";
        assert_eq!(
            without_generation_tags(source),
            "a {%- if true -%} b {% endif %} {% if true +%}c{% endif %} {% set generation = 1 %}"
        );
        for source in ["", "{% if x %}", "{% generation", "é {%"] {
            assert_eq!(without_generation_tags(source), source);
        }
    }

    /// Expected texts printed by Jinja2 3.1.6 in the environment of transformers 5.23; the script
    /// is `make_expressions.py` beside the file.
    #[test]
    fn expressions_have_the_values_that_jinja2_gives_them() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tests/golden/preproc/expressions.json"
        );
        let rows: Vec<(String, Option<String>)> =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert!(rows.len() > 100);
        let mut environment = Environment::new();
        install(&mut environment);
        let mut wrong = Vec::new();
        for (expression, expected) in rows {
            let got = environment.render_str(&format!("{{{{ {expression} }}}}"), ());
            // None: Jinja2 refuses it.
            if got.as_ref().ok() != expected.as_ref() {
                wrong.push(format!("{expression}: {got:?}, expected {expected:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
