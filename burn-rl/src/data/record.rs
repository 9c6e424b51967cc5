//! A row before it means anything.

use crate::digest::Digest;
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

impl Record {
    /// Adds the fields to a digest. Pictures inside a table count by their number.
    pub(super) fn digest(&self, digest: Digest) -> Digest {
        let pictures = self.pictures.iter().map(|(_, list)| list.len() as u64);
        let fields = serde_json::to_string(&self.fields).unwrap_or_default();
        pictures.fold(digest.text(&fields), Digest::number)
    }
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
