//! Rows that carry a response: as text, or as token ids.

use super::Scorable;
use burn_rl::{
    data::{DataRow, Encoder, PictureDirs, Record, RowFormat, RowKind, read_records},
    error::RlError,
};
use burn_vlm::{
    EncodedPrompt, VlmError,
    image::{ImagePatches, load},
    models::ModelConfig,
    processor::Pictures,
};
use serde::Deserialize;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// A row of the file.
pub struct ScoreRow {
    /// `id`, or `line-<n>` where the row has none.
    pub id: String,
    line: usize,
    content: Content,
}

enum Content {
    Text {
        row: Box<DataRow>,
        response: String,
    },
    Tokens {
        prompt: Vec<u32>,
        response: Vec<u32>,
        images: Vec<PathBuf>,
    },
}

/// How rows become what the model takes.
pub enum Reading {
    /// Texts and tokens.
    Text(Encoder),
    /// Tokens only: the model has no tokenizer.
    Tokens(Pictures),
}

impl Reading {
    fn patches(&self, path: &Path) -> Result<ImagePatches, VlmError> {
        match self {
            Self::Text(encoder) => {
                let processor = &encoder.processor;
                processor.patches(&load(path, processor.decoding())?)
            }
            Self::Tokens(pictures) => pictures.patches(&load(path, pictures.decoding())?),
        }
    }
}

#[derive(Deserialize)]
#[serde(expecting = "a JSON object")]
struct Fields {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    response: Option<String>,
    #[serde(default)]
    prompt_tokens: Option<Vec<u32>>,
    #[serde(default)]
    response_tokens: Option<Vec<u32>>,
    #[serde(default)]
    image_urls: Vec<String>,
}

/// Reads all rows; pictures stay on disk, but must exist, beside the file or in one of `roots`.
///
/// # Errors
/// A row that cannot be used, with its line; a file without rows.
pub fn read_rows(path: &Path, roots: &[PathBuf]) -> Result<Vec<ScoreRow>, RlError> {
    let dirs = PictureDirs::new(path, roots).map_err(RlError::Config)?;
    let file: Arc<Path> = path.into();
    let records = read_records(path)?.into_iter();
    let rows = records
        .map(|record| parse(&file, record, &dirs))
        .collect::<Result<Vec<_>, _>>()?;
    match rows.is_empty() {
        true => Err(wrong(path, 1, "no row in this file")),
        false => Ok(rows),
    }
}

fn wrong(path: &Path, line: usize, message: impl Into<String>) -> RlError {
    RlError::Data {
        path: path.into(),
        line,
        message: message.into(),
    }
}

fn parse(path: &Arc<Path>, record: Record, dirs: &PictureDirs) -> Result<ScoreRow, RlError> {
    let line = record.line;
    let refuse = |message: String| wrong(path, line, message);
    let fields = Fields::deserialize(&Value::Object(record.fields.clone()));
    let fields = fields.map_err(|e| refuse(format!("not a score row: {e}")))?;
    let (id, content) = match (
        fields.response,
        fields.prompt_tokens,
        fields.response_tokens,
    ) {
        (Some(response), None, None) => {
            let row = RowFormat::default().row(record, path, dirs, RowKind::Prompt)?;
            let row: Box<DataRow> = Box::new(row);
            (row.id.clone(), Content::Text { row, response })
        }
        (None, Some(prompt), Some(response)) => {
            let id = match fields.id {
                None | Some(Value::Null) => format!("line-{line}"),
                Some(Value::String(id)) => id,
                Some(other) => other.to_string(),
            };
            if prompt.is_empty() {
                return Err(refuse(
                    "`prompt_tokens` is empty, expected at least one id".into(),
                ));
            }
            let images = dirs.files(&fields.image_urls).map_err(refuse)?;
            (
                id,
                Content::Tokens {
                    prompt,
                    response,
                    images,
                },
            )
        }
        (None, None, None) => {
            let expected = "expected `response`, or `prompt_tokens` and `response_tokens`";
            return Err(refuse(format!("the row has no response: {expected}")));
        }
        _ => {
            let message = "expected either `response`, or both `prompt_tokens` and \
                           `response_tokens`";
            return Err(refuse(message.into()));
        }
    };
    Ok(ScoreRow { id, line, content })
}

impl ScoreRow {
    /// Whether a tokenizer is needed.
    pub fn is_text(&self) -> bool {
        matches!(self.content, Content::Text { .. })
    }

    /// Whether pictures are shown.
    pub fn has_images(&self) -> bool {
        match &self.content {
            Content::Text { row, .. } => !row.images.is_empty(),
            Content::Tokens { images, .. } => !images.is_empty(),
        }
    }

    /// Reads the pictures and makes tokens of texts.
    ///
    /// # Errors
    /// A picture that cannot be read, ids the model does not have, image tokens that do not fit
    /// the pictures, or a sequence longer than the model's positions: each with file and line.
    pub fn encode(
        &self,
        path: &Path,
        reading: &Reading,
        config: &ModelConfig,
    ) -> Result<Scorable, RlError> {
        let refuse = |message: String| wrong(path, self.line, message);
        let scorable = match &self.content {
            Content::Text { row, response } => {
                let Reading::Text(encoder) = reading else {
                    return Err(refuse("the model has no tokenizer, expected tokens".into()));
                };
                let prompt = encoder
                    .encode(row)
                    .map_err(|e| refuse(e.to_string()))?
                    .encoded;
                let response = encoder.processor.tokenizer().encode_text(response);
                let response = response.map_err(|e| refuse(e.to_string()))?;
                Scorable { prompt, response }
            }
            Content::Tokens {
                prompt,
                response,
                images,
            } => {
                check_ids("prompt_tokens", prompt, config).map_err(refuse)?;
                check_ids("response_tokens", response, config).map_err(refuse)?;
                let images = images
                    .iter()
                    .map(|path| reading.patches(path).map(Arc::new));
                let images: Result<Vec<_>, _> = images.collect();
                let images = images.map_err(|e| refuse(e.to_string()))?;
                let counts: Vec<usize> = images
                    .iter()
                    .map(|image| config.image_tokens(image.grid))
                    .collect();
                check_images(prompt, &counts, config.image_token_id).map_err(refuse)?;
                let prompt = Arc::new(EncodedPrompt {
                    tokens: prompt.clone(),
                    images,
                });
                Scorable {
                    prompt,
                    response: response.clone(),
                }
            }
        };
        let (found, limit) = (
            scorable.prompt.tokens.len() + scorable.response.len(),
            config.max_positions(),
        );
        match found > limit {
            true => Err(refuse(format!(
                "prompt and response are {found} tokens long, pictures included, expected at most \
                 the model's {limit} positions"
            ))),
            false => Ok(scorable),
        }
    }
}

fn check_ids(name: &str, tokens: &[u32], config: &ModelConfig) -> Result<(), String> {
    let size = config.text.vocab_size;
    match tokens.iter().position(|id| *id as usize >= size) {
        Some(i) => Err(format!(
            "`{name}[{i}]` is {}, expected less than the vocabulary's {size}",
            tokens[i]
        )),
        None => Ok(()),
    }
}

/// Whether each picture has its run of placeholders, and nothing else is one.
fn check_images(tokens: &[u32], counts: &[usize], image_token: Option<u32>) -> Result<(), String> {
    let is_image = |id: &u32| Some(*id) == image_token;
    let found = tokens.iter().filter(|id| is_image(id)).count();
    let expected: usize = counts.iter().sum();
    if found != expected {
        return Err(format!(
            "`prompt_tokens` holds {found} image tokens, expected {expected} for {} pictures",
            counts.len()
        ));
    }
    let mut counts = counts.iter();
    let mut at = 0;
    while let Some(start) = tokens[at..].iter().position(is_image) {
        let (start, count) = (at + start, *counts.next().unwrap_or(&1));
        let end = start + count;
        if tokens
            .get(start..end)
            .is_none_or(|run| !run.iter().all(is_image))
        {
            return Err(format!(
                "`prompt_tokens[{start}]` begins a picture, expected {count} image tokens in a row"
            ));
        }
        at = end;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_images;

    #[test]
    fn placeholders_stand_in_runs() {
        assert!(
            check_images(&[1, 9, 9, 9, 2], &[2, 1], Some(9)).is_ok(),
            "two pictures in a row"
        );
        assert!(check_images(&[1, 2], &[], Some(9)).is_ok());
        let message =
            |tokens: &[u32], counts: &[usize]| check_images(tokens, counts, Some(9)).unwrap_err();
        assert!(message(&[9, 9, 1], &[3]).contains("holds 2 image tokens, expected 3"));
        assert!(message(&[9, 1, 9, 9], &[2, 1]).contains("[0]` begins a picture, expected 2"));
    }
}
