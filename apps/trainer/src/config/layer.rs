//! One source of configuration values, and where in it each stands.

use super::read;
use crate::{input_error::InputError, paths};
use serde_path_to_error::Segment;
use std::path::{Path, PathBuf};
use toml::{
    Spanned, Table, Value,
    de::{DeTable, DeValue},
};

/// The key by which a file names others that it goes on top of.
const EXTENDS: &str = "extends";

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

    /// A file, after the files that its `extends` names, relative to it.
    pub fn file(path: &Path) -> Result<Vec<Self>, InputError> {
        let mut layers = vec![];
        extend(path, &mut vec![], &mut layers)?;
        Ok(layers)
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
        match toml::from_str::<Table>(text) {
            Ok(mut table) => {
                table.remove(EXTENDS);
                if let Source::File(path, _) = &source {
                    paths::at_file(&mut table, path);
                }
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

    /// Whether this is a `--set`.
    pub fn is_set(&self) -> bool {
        matches!(self.source, Source::Set(_))
    }

    /// Where this layer sets a key, if it does.
    pub fn location(&self, key: &[&str]) -> Option<String> {
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

/// Puts the layers of a file behind those of the files it extends; `inside` are the files that
/// lead to it.
fn extend(
    path: &Path,
    inside: &mut Vec<PathBuf>,
    layers: &mut Vec<Layer>,
) -> Result<(), InputError> {
    let refuse = |message: String| InputError::new(format!("{}: {message}", path.display()));
    let text =
        std::fs::read_to_string(path).map_err(|e| refuse(format!("{e}, expected a TOML file")))?;
    let own = Layer::parse(Source::File(path.into(), text.clone()), &text)?;
    if inside.iter().any(|other| other == path) {
        return Err(refuse("extends itself".into()));
    }
    let bases = match text
        .parse::<Table>()
        .ok()
        .and_then(|mut t| t.remove(EXTENDS))
    {
        None => vec![],
        Some(Value::String(one)) => vec![one],
        Some(other) => other
            .try_into::<Vec<String>>()
            .map_err(|_| refuse("`extends` is not what it should be, expected paths".into()))?,
    };
    inside.push(path.into());
    for base in bases {
        let base = path.with_file_name(base);
        if !base.is_file() {
            return Err(refuse(format!(
                "extends {}, which does not exist",
                base.display()
            )));
        }
        extend(&base, inside, layers)?;
    }
    inside.pop();
    layers.push(own);
    Ok(())
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
