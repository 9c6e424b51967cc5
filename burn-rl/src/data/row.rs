//! One row of a data file: a conversation up to the response, the gold answer, and the pictures.

use super::{
    columns::Columns,
    record::{Record, kind_of},
    row_pictures::{PictureDirs, pictures},
};
use crate::{digest::Digest, error::RlError};
use burn_rewards::RewardInput;
use burn_vlm::text::{Content, IMAGE_MARK, Message, TemplateArgs, place_images};
use serde_json::{Map, Value};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Where the row's own question goes in a template.
pub const QUESTION_MARK: &str = "{question}";

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct DataRow {
    /// `id`, or `line-<n>` where the row has none.
    pub id: String,
    /// The turns the model reads.
    pub messages: Vec<Message>,
    /// A last turn of the assistant: what the row demonstrates.
    pub target: Option<String>,
    /// The gold answer, if there is one; of several that are accepted the first.
    pub answer: Option<String>,
    /// All answers that are accepted, where there are several.
    pub answers: Vec<String>,
    /// Pictures, in the order of their marks: files, or references into a parquet file that
    /// [`picture_bytes`](super::picture_bytes) reads like files.
    pub images: Vec<PathBuf>,
    /// How hard the row is, if it says so: larger is harder.
    pub difficulty: Option<f64>,
    /// Switches of the chat template that it sets, over those of the model.
    pub template_args: TemplateArgs,
    /// The fields that [`RowFormat::keep`] names and the row has.
    pub kept: Map<String, Value>,
    /// Name of the data set.
    pub set: Arc<str>,
    /// All fields but the prompt and the pictures, for rewards.
    pub fields: Arc<Map<String, Value>>,
    /// The file the row is from.
    pub file: Arc<Path>,
    /// Line of the file, or row where the file has no lines; from 1.
    pub line: usize,
}

/// What a row must have beside a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// A last turn of the assistant, to be imitated.
    Demonstration,
    /// Nothing; whether a gold answer is needed is asked of the reward
    /// ([`GoldCheck`](super::GoldCheck)).
    Prompt,
}

/// How the rows of a file are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowFormat {
    /// Which field means what.
    pub columns: Columns,
    /// What the last question is put into, at `{question}`. Where it has `<image>` marks of its
    /// own, those of the question are left out. Empty to leave questions as they are.
    pub template: String,
    /// Fields that are kept beside what the row means, as those that a benchmark groups by.
    pub keep: Vec<String>,
    /// Name of the data set.
    pub set: Arc<str>,
    /// Directories that pictures may be in beside that of the data file.
    pub picture_roots: Vec<PathBuf>,
}

impl RowFormat {
    /// # Errors
    /// A template without a place for the question.
    pub fn check(&self, key: &str) -> Result<(), RlError> {
        match self.template.is_empty() || self.template.matches(QUESTION_MARK).count() == 1 {
            true => Ok(()),
            false => Err(RlError::Config(format!(
                "{key} is {:?}, expected {QUESTION_MARK} in it exactly once",
                self.template
            ))),
        }
    }

    /// The row that a record of `file` is; its pictures must exist, in one of `dirs`.
    ///
    /// # Errors
    /// A row that cannot be used, with file and line.
    pub fn row(
        &self,
        record: Record,
        file: &Arc<Path>,
        dirs: &PictureDirs,
        kind: RowKind,
    ) -> Result<DataRow, RlError> {
        let line = record.line;
        read(record, file, dirs, kind, self).map_err(|message| RlError::Data {
            path: file.to_path_buf(),
            line,
            message,
        })
    }
}

impl DataRow {
    /// The path that stands for rows that are in no file.
    pub(super) const IN_CODE: &str = "rows made in code";

    /// A question and its gold answer, with pictures at the `<image>` marks of the question, or
    /// before it where it has none. `index` names the row: each row of a set needs its own.
    ///
    /// ```
    /// use burn_rl::data::DataRow;
    ///
    /// let row = DataRow::new(0, "<image>What colour?", "red", vec!["red.png".into()])?;
    /// assert_eq!(row.question(), "What colour?");
    /// # Ok::<(), burn_rl::RlError>(())
    /// ```
    ///
    /// # Errors
    /// Another number of marks than pictures.
    pub fn new(
        index: usize,
        question: &str,
        answer: &str,
        images: Vec<PathBuf>,
    ) -> Result<Self, RlError> {
        let mut row = Self {
            id: format!("line-{}", index + 1),
            messages: vec![Message::with_image_marks("user", question)],
            target: None,
            answer: Some(answer.into()),
            answers: vec![],
            images,
            difficulty: None,
            template_args: TemplateArgs::new(),
            kept: Map::new(),
            set: "".into(),
            fields: Arc::default(),
            file: Path::new(Self::IN_CODE).into(),
            line: index + 1,
        };
        let placed = place_images(&mut row.messages, row.images.len());
        placed.map_err(|e| row.error(e))?;
        Ok(row)
    }

    /// Whether there is a gold answer that says something.
    pub fn has_answer(&self) -> bool {
        self.answer.as_ref().is_some_and(|a| !a.trim().is_empty())
    }

    /// What the user wrote last, for people and for rewards.
    pub fn question(&self) -> String {
        let last = self.messages.iter().rev().find(|m| m.role == "user");
        last.map(Message::plain_text).unwrap_or_default()
    }

    /// What a reward may know of it before there is a response.
    pub fn reward_input<'a>(&'a self, question: &'a str) -> RewardInput<'a> {
        RewardInput::new("", self.answer.as_deref().unwrap_or_default())
            .with_answers(&self.answers)
            .with_prompt(question)
            .with_row_id(&self.id)
            .with_set(&self.set)
            .with_fields(&self.fields)
            .with_image_files(&self.images)
    }

    /// Adds what was made in code to a digest.
    pub(super) fn digest(&self, digest: Digest) -> Digest {
        let turns = self.messages.iter();
        let digest = turns.fold(digest.text(&self.id), |digest, turn| {
            digest.text(&turn.role).text(&turn.plain_text())
        });
        let texts = [&self.target, &self.answer].map(|text| text.as_deref().unwrap_or("\0"));
        let digest = texts.iter().fold(digest, |digest, text| digest.text(text));
        let args = self.template_args.iter();
        let digest = args.fold(digest, |digest, (name, value)| {
            digest.text(name).text(&value.to_string())
        });
        let pictures = self.images.iter();
        pictures.fold(digest, |digest, path| digest.text(&path.to_string_lossy()))
    }

    /// An error about this row.
    pub fn error(&self, message: impl ToString) -> RlError {
        RlError::Data {
            path: self.file.to_path_buf(),
            line: self.line,
            message: message.to_string(),
        }
    }
}

fn read(
    record: Record,
    file: &Arc<Path>,
    dirs: &PictureDirs,
    kind: RowKind,
    format: &RowFormat,
) -> Result<DataRow, String> {
    let (fields, line) = (&record.fields, record.line);
    let (name, prompt) = format.columns.prompt(fields)?;
    let mut addresses = vec![];
    let mut messages = conversation(name, prompt, &mut addresses)?;
    let target = match messages.last() {
        Some(last) if last.role == "assistant" => messages.pop().map(|m| m.plain_text()),
        _ => None,
    };
    if messages.is_empty() {
        return Err("the conversation has no turn to answer".into());
    }
    let images = pictures(&record, &format.columns, dirs, addresses)?;
    let asks = |turn: &Message| {
        let shown = turn.content.contains(&Content::Image);
        shown || !turn.plain_text().trim().is_empty()
    };
    let alone = images.len() > messages.iter().map(Message::image_count).sum::<usize>();
    if !alone && messages.last().is_some_and(|turn| !asks(turn)) {
        return Err(format!(
            "`{name}` asks nothing: the last turn has no text and no picture"
        ));
    }
    if let Some((before, after)) = format.template.split_once(QUESTION_MARK) {
        let last = messages.iter_mut().rev().find(|m| m.role == "user");
        let last = last.ok_or("the conversation has no user turn for data.template")?;
        let mut question = std::mem::take(&mut last.content);
        if format.template.contains(IMAGE_MARK) {
            question.retain(|part| *part != Content::Image);
        }
        last.content = surrounded(before, question, after);
    }
    place_images(&mut messages, images.len()).map_err(|e| e.to_string())?;
    let mut answers = match format.columns.answer(fields)? {
        Some((name, value)) => accepted(name, value)?,
        None => vec![],
    };
    let answer = answers.first().cloned();
    if answers.len() < 2 {
        answers.clear();
    }
    if kind == RowKind::Demonstration && target.is_none() {
        return Err("the row ends without an assistant turn to learn from".into());
    }
    let shown = |key: &String| key != name && !format.columns.image_names().contains(&key.as_str());
    let others = fields.iter().filter(|(key, _)| shown(key));
    let others: Map<String, Value> = others.map(|(k, v)| (k.clone(), v.clone())).collect();
    let id = fields.get("id").filter(|v| !v.is_null());
    let id = id.map_or_else(|| Ok(format!("line-{line}")), |v| text("id", v))?;
    Ok(DataRow {
        id,
        messages,
        target,
        answer,
        answers,
        images,
        difficulty: format.columns.difficulty(fields)?,
        template_args: format.columns.template_args(fields)?,
        kept: format
            .keep
            .iter()
            .filter_map(|name| Some((name.clone(), fields.get(name)?.clone())))
            .collect(),
        set: format.set.clone(),
        fields: Arc::new(others),
        file: file.clone(),
        line,
    })
}

/// The turns of a prompt; addresses of pictures that stand in its parts are collected.
fn conversation(
    name: &str,
    prompt: &Value,
    addresses: &mut Vec<String>,
) -> Result<Vec<Message>, String> {
    let parsed;
    let turns = match prompt {
        Value::Array(turns) => turns,
        Value::String(json) if name == "message" => {
            parsed = serde_json::from_str::<Vec<Value>>(json)
                .map_err(|e| format!("message: {e}, expected a JSON list of turns"))?;
            &parsed
        }
        Value::String(question) if !matches!(name, "conversations" | "messages") => {
            return Ok(vec![Message::with_image_marks("user", question)]);
        }
        other => {
            let found = kind_of(other);
            return Err(format!("`{name}` is {found}, expected a list of turns"));
        }
    };
    turns
        .iter()
        .map(|turn| message(turn, name != "message", addresses).map_err(|e| format!("{name}: {e}")))
        .collect()
}

/// One turn: `role` and `content`, or `from` and `value`.
fn message(turn: &Value, marks: bool, addresses: &mut Vec<String>) -> Result<Message, String> {
    let key = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| turn.get(name));
        found.ok_or_else(|| format!("missing field `{}` in a turn", names[0]))
    };
    let role = key(["role", "from"])?;
    let role = role.as_str().ok_or("`role` is not a string")?;
    let role = match role {
        "human" => "user",
        "gpt" => "assistant",
        role => role,
    };
    match key(["content", "value"])? {
        Value::String(text) if marks => Ok(Message::with_image_marks(role, text)),
        content => {
            for part in content.as_array().into_iter().flatten() {
                addresses.extend(address(part));
            }
            let content = normal_parts(content.clone());
            let turn = serde_json::json!({ "role": role, "content": content });
            serde_json::from_value(turn).map_err(|e| e.to_string())
        }
    }
}

/// The address of a part that shows a picture, in either of the spellings in use.
fn address(part: &Value) -> Option<String> {
    let url = part.get("image").or_else(|| part.get("image_url"))?;
    let url = url.get("url").unwrap_or(url);
    url.as_str().map(str::to_owned)
}

/// Parts of type `image_url` are pictures like any other.
fn normal_parts(mut content: Value) -> Value {
    for part in content.as_array_mut().into_iter().flatten() {
        if part.get("type").is_some_and(|t| t == "image_url") {
            part["type"] = "image".into();
        }
    }
    content
}

/// Text before and after parts, adjacent texts joined.
fn surrounded(before: &str, parts: Vec<Content>, after: &str) -> Vec<Content> {
    let around = |text| Message::with_image_marks("user", text).content;
    let mut out: Vec<Content> = vec![];
    for part in [around(before), parts, around(after)].into_iter().flatten() {
        match (out.last_mut(), part) {
            (Some(Content::Text(last)), Content::Text(text)) => last.push_str(&text),
            (_, part) => out.push(part),
        }
    }
    out
}

fn text(name: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(format!("`{name}` is {}, expected a string", kind_of(other))),
    }
}

/// The answers that are accepted: one, or those of a list.
fn accepted(name: &str, value: &Value) -> Result<Vec<String>, String> {
    let one = |name: &str, value: &Value| match value {
        Value::Bool(answer) => Ok(answer.to_string()),
        Value::String(_) | Value::Number(_) => text(name, value),
        other => Err(format!(
            "`{name}` is {}, expected a string, a number, true or false, or a list of answers that \
             are accepted",
            kind_of(other)
        )),
    };
    match value {
        Value::Array(list) => {
            let items = list.iter().enumerate();
            let items = items.map(|(i, item)| one(&format!("{name}[{i}]"), item));
            items.collect()
        }
        value => Ok(vec![one(name, value)?]),
    }
}
