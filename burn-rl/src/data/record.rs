//! A row before it means anything.

use serde_json::{Map, Value};
use std::path::PathBuf;

/// A row as it stands in its file.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its fields, without pictures.
    pub fields: Map<String, Value>,
    /// Pictures inside the row, by the name of their field.
    pub pictures: Vec<(String, Vec<PathBuf>)>,
    /// Line of the file, or row where the file has no lines; from 1.
    pub line: usize,
}

/// What a value is, for messages.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
