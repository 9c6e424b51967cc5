//! Rows of responses and gold answers, a chunk at a time.

use burn_rewards::{BoxCoordinates, ImageSize};
use burn_rl::error::RlError;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

/// Rows that are held together at most.
const CHUNK_ROWS: usize = 4096;
/// Bytes after which a chunk is closed.
const CHUNK_BYTES: usize = 16 << 20;
/// A line longer than this is no row.
const LONGEST_LINE: usize = 64 << 20;

/// A row of the file.
#[derive(Debug)]
pub struct Row {
    /// `id` as it is given, or `line-<n>` where the row has none.
    pub id: Value,
    /// Line of the file, from 1.
    pub line: usize,
    pub gold: String,
    pub pred: String,
    /// The grader of the rule `math`.
    pub config: Option<String>,
    /// Its options.
    pub opts: Map<String, Value>,
    pub prompt: String,
    pub response_tokens: Option<usize>,
    pub truncated: bool,
    /// Name of the data set.
    pub set: String,
    pub step: Option<u64>,
    /// The row's own fields: those under `fields`, else all of it. Empty where they are not read.
    pub fields: Map<String, Value>,
    pub prompt_end: String,
    pub image_sizes: Vec<ImageSize>,
    pub coordinates: Option<BoxCoordinates>,
}

#[derive(Deserialize)]
#[serde(expecting = "a JSON object")]
struct Fields {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    gold: Option<Value>,
    #[serde(default)]
    pred: Option<Value>,
    #[serde(default)]
    config: Option<String>,
    #[serde(default)]
    opts: Option<Map<String, Value>>,
    #[serde(default)]
    prompt: Option<String>,
    #[serde(default)]
    response_tokens: Option<usize>,
    #[serde(default)]
    truncated: Option<bool>,
    #[serde(default)]
    set: Option<String>,
    #[serde(default)]
    step: Option<u64>,
    #[serde(default)]
    fields: Option<Map<String, Value>>,
    #[serde(default)]
    prompt_end: Option<String>,
    #[serde(default)]
    image_sizes: Option<Vec<ImageSize>>,
    #[serde(default)]
    coordinates: Option<BoxCoordinates>,
}

/// Reads rows as they are asked for.
pub struct RowReader {
    path: PathBuf,
    reader: BufReader<File>,
    line: usize,
    rows: usize,
    /// Whether the rule may look at fields of its own.
    whole: bool,
}

impl RowReader {
    /// Opens a file; with `whole`, rows keep all of their fields.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn open(path: &Path, whole: bool) -> Result<Self, RlError> {
        let file = File::open(path).map_err(|e| RlError::io(path, e))?;
        Ok(Self {
            path: path.into(),
            reader: BufReader::new(file),
            line: 0,
            rows: 0,
            whole,
        })
    }

    /// The number of rows read.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The next rows; none at the end of the file.
    ///
    /// # Errors
    /// A row that cannot be used, with its line.
    pub fn next_chunk(&mut self) -> Result<Option<Vec<Row>>, RlError> {
        let (mut rows, mut bytes) = (vec![], 0);
        let mut line = vec![];
        while rows.len() < CHUNK_ROWS && bytes < CHUNK_BYTES {
            line.clear();
            let limit = LONGEST_LINE as u64 + 1;
            let mut limited = self.reader.by_ref().take(limit);
            let read = limited.read_until(b'\n', &mut line);
            if read.map_err(|e| RlError::io(&self.path, e))? == 0 {
                break;
            }
            self.line += 1;
            bytes += line.len();
            let wrong = |message: String| RlError::Data {
                path: self.path.clone(),
                line: self.line,
                message,
            };
            if line.len() > LONGEST_LINE {
                return Err(wrong(format!(
                    "the line is longer than {LONGEST_LINE} bytes"
                )));
            }
            if !line.trim_ascii().is_empty() {
                rows.push(parse(self.line, &line, self.whole).map_err(wrong)?);
            }
        }
        self.rows += rows.len();
        Ok((!rows.is_empty()).then_some(rows))
    }
}

fn parse(line: usize, json: &[u8], whole: bool) -> Result<Row, String> {
    let text = std::str::from_utf8(json)
        .map_err(|e| format!("not UTF-8 from byte {} on", e.valid_up_to() + 1))?;
    if !text.trim_start().starts_with('{') {
        // A list would be taken for the fields in their order.
        return Err("not a reward row: expected a JSON object".into());
    }
    let fields: Fields = serde_json::from_str(text).map_err(|e| {
        let message = e.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        format!("not a reward row: {message} (column {})", e.column())
    })?;
    Ok(Row {
        id: match fields.id {
            None | Some(Value::Null) => Value::String(format!("line-{line}")),
            Some(id) => id,
        },
        line,
        gold: words("gold", fields.gold)?,
        pred: words("pred", fields.pred)?,
        config: fields.config,
        opts: fields.opts.unwrap_or_default(),
        prompt: fields.prompt.unwrap_or_default(),
        response_tokens: fields.response_tokens,
        truncated: fields.truncated.unwrap_or(false),
        set: fields.set.unwrap_or_default(),
        step: fields.step,
        fields: match (fields.fields, whole) {
            (Some(own), _) => own,
            (None, true) => serde_json::from_str(text).unwrap_or_default(),
            (None, false) => Map::new(),
        },
        prompt_end: fields.prompt_end.unwrap_or_default(),
        image_sizes: fields.image_sizes.unwrap_or_default(),
        coordinates: fields.coordinates,
    })
}

fn words(key: &str, value: Option<Value>) -> Result<String, String> {
    match value {
        Some(Value::String(text)) => Ok(text),
        Some(Value::Number(number)) => Ok(number.to_string()),
        None | Some(Value::Null) => Err(format!("the row has no `{key}`")),
        Some(other) => {
            let shown: String = other.to_string().chars().take(80).collect();
            Err(format!("`{key}` is {shown}, expected a string"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn read(bytes: &[u8]) -> Result<Vec<Row>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.jsonl");
        fs::write(&path, bytes).unwrap();
        let mut reader = RowReader::open(&path, false).unwrap();
        let mut all = vec![];
        loop {
            match reader.next_chunk() {
                Ok(Some(rows)) => all.extend(rows),
                Ok(None) => return Ok(all),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    #[test]
    fn ids_stay_and_numbers_are_text() {
        let rows =
            read(b"{\"id\":7,\"gold\":1.5,\"pred\":\"x\"}\n\n{\"gold\":\"a\",\"pred\":2}").unwrap();
        assert_eq!(
            (rows[0].id.clone(), rows[0].gold.as_str()),
            (7.into(), "1.5")
        );
        assert_eq!((rows[1].id.clone(), rows[1].line), ("line-3".into(), 3));
        assert_eq!(rows[1].pred, "2");
    }

    #[test]
    fn a_file_of_many_chunks_is_read_whole_and_in_order() {
        let text: String = (0..2 * CHUNK_ROWS + 5)
            .map(|i| format!("{{\"id\":{i},\"gold\":\"1\",\"pred\":\"1\"}}\n"))
            .collect();
        let rows = read(text.as_bytes()).unwrap();
        let ids: Vec<u64> = rows.iter().map(|r| r.id.as_u64().unwrap()).collect();
        assert_eq!(ids, (0..2 * CHUNK_ROWS as u64 + 5).collect::<Vec<_>>());
    }

    #[test]
    fn a_bad_row_is_named_by_its_line() {
        let good = "{\"gold\":\"1\",\"pred\":\"1\"}\n";
        let refused = |bad: &[u8]| read(&[good.as_bytes(), bad].concat()).unwrap_err();
        for (bad, expected) in [
            (&b"{\"pred\":\"1\"}"[..], ":2: the row has no `gold`"),
            (
                b"{\"gold\":\"1\",\"pred\":null}",
                ":2: the row has no `pred`",
            ),
            (
                b"{\"gold\":[1],\"pred\":\"1\"}",
                ":2: `gold` is [1], expected a string",
            ),
            (
                b"{\"gold\":\"1\",\"pred\":\"\xff\"}",
                ":2: not UTF-8 from byte 21 on",
            ),
            (b"nonsense", ":2: not a reward row"),
            (b"[1]", ":2: not a reward row"),
        ] {
            let message = refused(bad);
            assert!(message.contains(expected), "{message}");
        }
    }
}
