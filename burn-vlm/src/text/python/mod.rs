//! What chat templates expect of the Python around them. `transformers` renders them with Jinja2 in
//! a sandbox: methods of Python's strings and dictionaries, its way of printing values, `tojson`,
//! `strftime_now`, `raise_exception`, and the tag `{% generation %}`.

use std::borrow::Cow;

use minijinja::value::{Kwargs, Rest, StringInput, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, Output, State, Value, filters};

mod json;
mod methods;
mod show;
mod time;

/// Bytes of a text that a template makes: more than any conversation is.
pub(super) const MAX_TEXT: usize = 16 << 20;

/// Characters to which a text is filled up.
const MAX_WIDTH: usize = 1 << 20;

/// Refuses a text of more bytes, or a list of more items, than a template may make.
fn check_size(found: usize) -> Result<(), Error> {
    match found <= MAX_TEXT {
        true => Ok(()),
        false => Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("the template makes a text of more than {MAX_TEXT} bytes"),
        )),
    }
}

/// Refuses a width to which no text is filled up.
fn check_width(found: Option<usize>) -> Result<(), Error> {
    match found.filter(|found| *found > MAX_WIDTH) {
        None => Ok(()),
        Some(found) => Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("a width of {found}, expected at most {MAX_WIDTH}"),
        )),
    }
}

/// Gives `environment` what Python has.
pub(super) fn install(environment: &mut Environment<'static>) {
    environment.set_unknown_method_callback(methods::call);
    environment.set_formatter(print);
    environment.add_filter("tojson", json::tojson);
    environment.add_filter("indent", indent);
    environment.add_filter("batch", batch);
    environment.add_filter("slice", slice);
    environment.add_filter("format", format);
    environment.add_filter("replace", replace);
    environment.add_filter("join", join);
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
        Some(text) => {
            check_size(text.len())?;
            out.write_str(text)
        }
        None => out.write_str(&show::str(value)?),
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

/// Jinja's filter, to a width.
fn indent(
    text: StringInput<'_>,
    width: Option<usize>,
    first: Option<bool>,
    blank: Option<bool>,
    named: Kwargs,
) -> Result<Value, Error> {
    check_width(width.or(named.peek("width")?))?;
    filters::indent(text, width, first, blank, named)
}

/// The same.
fn batch(state: &State, list: Value, count: usize, fill: Option<Value>) -> Result<Value, Error> {
    check_width(Some(count))?;
    filters::batch(state, list, count, fill)
}

/// The same.
fn slice(state: &State, list: Value, count: usize, fill: Option<Value>) -> Result<Value, Error> {
    check_width(Some(count))?;
    filters::slice(state, list, count, fill)
}

/// The same; widths stand in the text.
fn format(state: &mut State, text: &Value, values: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    check_widths_in(text.as_str().unwrap_or_default())?;
    filters::format(state, text, values)
}

/// Refuses a text in whose gaps values are filled up too far.
fn check_widths_in(text: &str) -> Result<(), Error> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    numbers.try_for_each(|number| match number {
        "" => Ok(()),
        number => check_width(Some(number.parse().unwrap_or(usize::MAX))),
    })
}

/// Jinja's filter.
fn replace(
    state: &mut State,
    text: StringInput<'_>,
    old: StringInput<'_>,
    new: StringInput<'_>,
) -> Result<Value, Error> {
    check_replaced(text.as_str(), old.as_str(), new.as_str())?;
    filters::replace(state, text, old, new)
}

/// Refuses what would become too long.
fn check_replaced(text: &str, old: &str, new: &str) -> Result<(), Error> {
    let added = text.matches(old).count().saturating_mul(new.len());
    check_size(text.len().saturating_add(added))
}

/// Jinja's filter.
fn join(
    state: &mut State,
    list: &Value,
    separator: Option<StringInput<'_>>,
    attribute: Option<&str>,
    named: Kwargs,
) -> Result<Value, Error> {
    let between = separator.as_ref().map_or(0, |text| text.as_str().len());
    check_joined(between, list)?;
    filters::join(state, list, separator, attribute, named)
}

/// Refuses items that are too long together, with `between` bytes between two of them.
fn check_joined(between: usize, list: &Value) -> Result<(), Error> {
    check_size(list.len().unwrap_or(0))?;
    let mut size = 0_usize;
    for item in list.try_iter().into_iter().flatten() {
        let len = item.as_str().map_or(1, str::len);
        size = size.saturating_add(between).saturating_add(len);
        check_size(size)?;
    }
    Ok(())
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

    #[test]
    fn texts_that_would_not_fit_into_memory_are_refused() {
        let mut environment = Environment::new();
        install(&mut environment);
        for (expression, expected) in [
            ("[1, 2]|tojson(indent=10**12)", "a width of 1000000000000"),
            ("'x'.center(10**12)", "a width of 1000000000000"),
            ("'-5'.zfill(10**12)", "a width of 999999999999"),
            ("'x'|indent(10**12)", "a width of 1000000000000"),
            ("'x'|indent(width=10**12)", "a width of 1000000000000"),
            ("[1]|batch(10**12, 0)", "a width of 1000000000000"),
            ("[1]|slice(10**12)", "a width of 1000000000000"),
            ("'%01000000000d'|format(5)", "a width of 1000000000"),
            ("'{:01000000000d}'.format(5)", "a width of 1000000000"),
            ("'x' * 99000000", "a text of more than"),
            ("'ab'.replace('', 'x' * 33000000)", "a text of more than"),
            ("'ab'|replace('', 'x' * 33000000)", "a text of more than"),
            ("('x' * 33000000).join('abc')", "a text of more than"),
            ("(['x' * 33000000] * 3)|join", "a text of more than"),
            ("'abc'|join('x' * 33000000)", "a text of more than"),
            ("[{'type': 'text'}] * 99000000", "a text of more than"),
            ("([1] * 99000000)|tojson", "a text of more than"),
            ("([1] * 99000000)|string|length", "a text of more than"),
        ] {
            let found = environment.render_str(&format!("{{{{ {expression} }}}}"), ());
            let message = found.unwrap_err().to_string();
            assert!(message.contains(expected), "{expression}: {message}");
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
