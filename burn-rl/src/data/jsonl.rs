//! Rows of a JSONL file, in both forms of the seed systems.

use crate::{config::OnError, error::RlError};
use burn::data::dataset::Dataset;
use burn_vlm::text::{Message, place_images};
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// One row: a conversation up to the response, the gold answer, and the pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct DataRow {
    /// `id`, or `line-<n>` where the row has none.
    pub id: String,
    /// The turns the model reads.
    pub messages: Vec<Message>,
    /// A last turn of the assistant: what the row demonstrates.
    pub target: Option<String>,
    /// The gold answer, if there is one.
    pub answer: Option<String>,
    /// Picture files, in the order of their marks.
    pub images: Vec<PathBuf>,
    /// Line of the file, from 1.
    pub line: usize,
}

/// What a row must have beside a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// A gold answer or a demonstration: something to learn from.
    Lesson,
    /// Nothing.
    Prompt,
}

/// All rows of a file.
pub struct JsonlDataset {
    path: PathBuf,
    rows: Vec<DataRow>,
    /// Rows left out, each with its reason.
    pub skipped: Vec<RlError>,
}

#[derive(Deserialize)]
#[serde(expecting = "a JSON object")]
struct Fields {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    conversations: Option<Vec<Turn>>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    answer: Option<Value>,
    #[serde(default)]
    image_urls: Vec<String>,
}

#[derive(Deserialize)]
struct Turn {
    role: String,
    content: String,
}

impl DataRow {
    /// Parses line `line` of the file `path`; its pictures must exist.
    ///
    /// # Errors
    /// A row that cannot be used, with file and line.
    pub fn parse(path: &Path, line: usize, json: &[u8], kind: RowKind) -> Result<Self, RlError> {
        parse(json, line, path, kind).map_err(|message| RlError::Data {
            path: path.into(),
            line,
            message,
        })
    }
}

impl JsonlDataset {
    /// Reads a file; pictures stay on disk, but must exist.
    ///
    /// # Errors
    /// A row that cannot be used, with its line, unless `on_error` skips it; a file without rows.
    pub fn open(path: &Path, on_error: OnError) -> Result<Self, RlError> {
        Self::open_as(path, on_error, RowKind::Lesson)
    }

    /// The same with another idea of what a row must have.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_as(path: &Path, on_error: OnError, kind: RowKind) -> Result<Self, RlError> {
        let bytes = std::fs::read(path).map_err(|e| RlError::io(path, e))?;
        let mut set = Self {
            path: path.into(),
            rows: vec![],
            skipped: vec![],
        };
        for (i, line) in bytes.split(|b| *b == b'\n').enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            match DataRow::parse(path, i + 1, line, kind) {
                Ok(row) => set.rows.push(row),
                Err(error) if on_error == OnError::Skip => set.skipped.push(error),
                Err(error) => return Err(error),
            }
        }
        set.check_not_empty()?;
        Ok(set)
    }

    /// Refuses a file of which nothing is left.
    pub(super) fn check_not_empty(&self) -> Result<(), RlError> {
        let message = match self.skipped.as_slice() {
            _ if !self.rows.is_empty() => return Ok(()),
            [] => "no row in this file".into(),
            [first, ..] => format!("none of {} rows can be used: {first}", self.skipped.len()),
        };
        Err(self.error(1, message))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// An error about one line of this file.
    pub fn error(&self, line: usize, message: String) -> RlError {
        RlError::Data {
            path: self.path.clone(),
            line,
            message,
        }
    }

    /// All rows.
    pub fn rows(&self) -> &[DataRow] {
        &self.rows
    }

    /// Keeps the rows that `keep` says; the others are counted as skipped, with the reason.
    pub fn retain(&mut self, mut check: impl FnMut(&DataRow) -> Result<(), RlError>) {
        let mut skipped = vec![];
        self.rows.retain(|row| match check(row) {
            Ok(()) => true,
            Err(error) => {
                skipped.push(error);
                false
            }
        });
        self.skipped.extend(skipped);
    }
}

impl Dataset<DataRow, RlError> for JsonlDataset {
    fn get(&self, index: usize) -> Result<DataRow, RlError> {
        Ok(self.rows[index].clone())
    }

    fn len(&self) -> usize {
        self.rows.len()
    }
}

fn parse(json: &[u8], line: usize, path: &Path, kind: RowKind) -> Result<DataRow, String> {
    let fields: Fields =
        serde_json::from_slice(json).map_err(|e| format!("not a data row: {e}"))?;
    let mut messages = match (fields.conversations, fields.message) {
        (Some(turns), None) => turns
            .iter()
            .map(|t| Message::with_image_marks(&t.role, &t.content))
            .collect::<Vec<_>>(),
        (None, Some(json)) => serde_json::from_str(&json).map_err(|e| format!("message: {e}"))?,
        _ => return Err("expected either `conversations` or `message`".into()),
    };
    let target = match messages.last() {
        Some(last) if last.role == "assistant" => messages.pop().map(|m| m.plain_text()),
        _ => None,
    };
    if messages.is_empty() {
        return Err("the conversation has no turn to answer".into());
    }
    place_images(&mut messages, fields.image_urls.len()).map_err(|e| e.to_string())?;
    let images = image_files(&fields.image_urls, path)?;
    let text = |value: Value, key: &str| match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(format!("`{key}` is {other}, expected a string")),
    };
    let answer = fields
        .answer
        .filter(|v| !v.is_null())
        .map(|v| text(v, "answer"))
        .transpose()?;
    let lesson = answer.as_ref().is_some_and(|a| !a.trim().is_empty()) || target.is_some();
    if kind == RowKind::Lesson && !lesson {
        return Err("the row has no `answer`".into());
    }
    let id = fields.id.map(|v| text(v, "id")).transpose()?;
    let id = id.unwrap_or_else(|| format!("line-{line}"));
    Ok(DataRow {
        id,
        messages,
        target,
        answer,
        images,
        line,
    })
}

/// The picture files of a row of the data file `path`: each a path relative to that file, or a
/// `file://` address.
///
/// # Errors
/// A file that does not exist.
pub fn image_files(urls: &[String], path: &Path) -> Result<Vec<PathBuf>, String> {
    let dir = path.parent().unwrap_or(Path::new(""));
    let file = |url: &String| {
        let file = dir.join(url.strip_prefix("file://").unwrap_or(url));
        match file.is_file() {
            true => Ok(file),
            false => Err(format!("image {} does not exist", file.display())),
        }
    };
    urls.iter().map(file).collect()
}
