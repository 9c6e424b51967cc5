//! One source of configuration values, and where in it each stands.

use super::read;
use crate::input_error::InputError;
use serde_path_to_error::Segment;
use std::path::{Path, PathBuf};
use toml::{
    Spanned, Table, Value,
    de::{DeTable, DeValue},
};

/// A file, the built-in configuration, or one `--set`. Its keys and types are valid.
pub struct Layer {
    pub table: Table,
    source: Source,
}

enum Source {
    Builtin(String),
    File(PathBuf, String),
    Set(String),
}

impl Layer {
    pub fn builtin(text: &str) -> Result<Self, InputError> {
        Self::parse(Source::Builtin(text.into()), text)
    }

    pub fn file(path: &Path) -> Result<Self, InputError> {
        let text = std::fs::read_to_string(path).map_err(|e| {
            InputError::new(format!("{}: {e}, expected a TOML file", path.display()))
        })?;
        Self::parse(Source::File(path.into(), text.clone()), &text)
    }

    /// `key.path=value`
    pub fn set(argument: &str) -> Result<Self, InputError> {
        let (key, raw) = split_set(argument)?;
        let source = Source::Set(argument.into());
        let layer = Self {
            table: nest(&key, value_of(raw)),
            source,
        };
        match layer.check() {
            Ok(()) => Ok(layer),
            // What reads as a number or a date may be meant as text.
            Err(error) => {
                let text = Self {
                    table: nest(&key, Value::String(raw.into())),
                    ..layer
                };
                text.check().map(|()| text).map_err(|_| error)
            }
        }
    }

    fn parse(source: Source, text: &str) -> Result<Self, InputError> {
        match toml::from_str(text) {
            Ok(table) => {
                let layer = Self { table, source };
                layer.check().map(|()| layer)
            }
            Err(error) => {
                let at = error.span().map(|span| line_at(text, span.start));
                let message = error.message();
                Err(InputError::new(format!(
                    "{}: not TOML: {message}",
                    source.name(at)
                )))
            }
        }
    }

    fn check(&self) -> Result<(), InputError> {
        read(&self.table).map(|_| ()).map_err(|problem| {
            let line = self
                .text()
                .and_then(|text| line_of(text, problem.path.iter()));
            InputError::new(format!("{}: {}", self.source.name(line), problem.message))
        })
    }

    /// Where this layer sets a key, if it does.
    pub fn place(&self, key: &[&str]) -> Option<String> {
        let mut table = &self.table;
        for (i, part) in key.iter().enumerate() {
            match table.get(*part)? {
                Value::Table(inner) => table = inner,
                _ if i + 1 < key.len() => return None,
                _ => {}
            }
        }
        let path: Vec<Segment> = key
            .iter()
            .map(|k| Segment::Map { key: (*k).into() })
            .collect();
        Some(
            self.source
                .name(self.text().and_then(|text| line_of(text, path.iter()))),
        )
    }

    fn text(&self) -> Option<&str> {
        match &self.source {
            Source::Builtin(text) | Source::File(_, text) => Some(text),
            Source::Set(_) => None,
        }
    }
}

impl Source {
    fn name(&self, line: Option<usize>) -> String {
        let name = match self {
            Self::Builtin(_) => "built-in configuration".into(),
            Self::File(path, _) => path.display().to_string(),
            Self::Set(argument) => return format!("--set {argument}"),
        };
        line.map_or_else(|| name.clone(), |line| format!("{name}:{line}"))
    }
}

/// Puts `from` over `into`: tables merge, everything else replaces.
pub fn merge(into: &mut Table, from: &Table) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Key and value of a `--set` that concerns one option and no section.
///
/// # Errors
/// An argument that is no `key=value`.
pub fn set_option(argument: &str) -> Result<(String, Value), InputError> {
    let (key, raw) = split_set(argument)?;
    Ok((key.join("."), value_of(raw)))
}

fn split_set(argument: &str) -> Result<(Vec<&str>, &str), InputError> {
    let (key, value) = argument.split_once('=').unwrap_or(("", argument));
    let key: Vec<&str> = key.split('.').map(str::trim).collect();
    match key.iter().any(|part| part.is_empty()) {
        true => Err(InputError::new(format!(
            "--set {argument}: expected key.path=value"
        ))),
        false => Ok((key, value.trim())),
    }
}

/// A TOML value, or the text itself where it is none.
fn value_of(raw: &str) -> Value {
    raw.parse().unwrap_or_else(|_| Value::String(raw.into()))
}

fn nest(key: &[&str], value: Value) -> Table {
    let wrapped = key.iter().rev().fold(value, |value, part| {
        Value::Table(Table::from_iter([((*part).to_owned(), value)]))
    });
    match wrapped {
        Value::Table(table) => table,
        _ => Table::new(),
    }
}

/// The line of the deepest part of a path that stands in the text.
fn line_of<'a>(text: &str, path: impl Iterator<Item = &'a Segment>) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut found = None;
    let mut value = DeValue::Table(document.into_inner());
    for segment in path {
        let inner = match (value, segment) {
            (DeValue::Table(mut table), Segment::Map { key }) => {
                let (name, inner) = table.remove_entry(key.as_str())?;
                found = Some(line_at(text, name.span().start));
                inner
            }
            (DeValue::Array(items), Segment::Seq { index }) => {
                let item: Spanned<DeValue<'_>> = items.into_iter().nth(*index)?;
                found = Some(line_at(text, item.span().start));
                item
            }
            _ => break,
        };
        value = inner.into_inner();
    }
    found
}

/// The line, from 1, of a byte.
fn line_at(text: &str, byte: usize) -> usize {
    text.as_bytes()[..byte.min(text.len())]
        .iter()
        .filter(|b| **b == b'\n')
        .count()
        + 1
}
