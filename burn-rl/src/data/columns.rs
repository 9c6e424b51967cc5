//! Which field of a row means what.

use burn_vlm::text::TemplateArgs;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Names of the fields of a row; an empty one is found by the names that are in use.
///
/// A dot reaches inside an object: `reward_model.ground_truth`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Columns {
    /// A conversation (a list of turns, or that as a JSON string), or a question as plain text.
    /// By default the first of `conversations`, `messages`, `message`, `problem`, `question`,
    /// `prompt`, `query`, `input`.
    pub prompt: String,
    /// The gold answer. By default the first of `answer`, `solution`, `correct_answer`,
    /// `ground_truth_answer`, `ground_truth`, `gold`, `label`.
    pub answer: String,
    /// Paths of pictures, or pictures inside the row. By default the first of `image_urls`,
    /// `images`, `image`, `image_bytes`, `decoded_image`; pictures inside the row come before paths.
    pub images: String,
    /// How hard the row is, for a curriculum. By default `difficulty`, where more is harder, or
    /// `pass_rate`, where more is easier.
    pub difficulty: String,
    /// Switches of the chat template for the row: an object, or that as a JSON string. By default
    /// `chat_template_kwargs`.
    pub template_args: String,
}

const PROMPT: &[&str] = &[
    "conversations",
    "messages",
    "message",
    "problem",
    "question",
    "prompt",
    "query",
    "input",
];
const ANSWER: &[&str] = &[
    "answer",
    "solution",
    "correct_answer",
    "ground_truth_answer",
    "ground_truth",
    "gold",
    "label",
];
const IMAGES: &[&str] = &[
    "image_urls",
    "images",
    "image",
    "image_bytes",
    "decoded_image",
];

impl Columns {
    /// The prompt of a row and the name it was found under.
    ///
    /// # Errors
    /// There is none; the message lists what there is.
    pub(super) fn prompt<'a>(
        &'a self,
        row: &'a Map<String, Value>,
    ) -> Result<(&'a str, &'a Value), String> {
        find(&self.prompt, PROMPT, row)?.ok_or_else(|| {
            let found: Vec<String> = row.keys().map(|k| format!("`{k}`")).collect();
            format!(
                "expected a prompt as one of `{}` (or data.columns.prompt), found the fields {}",
                PROMPT.join("`, `"),
                found.join(", ")
            )
        })
    }

    /// The gold answer of a row, if it has one.
    ///
    /// # Errors
    /// The configured field is missing.
    pub(super) fn answer<'a>(
        &'a self,
        row: &'a Map<String, Value>,
    ) -> Result<Option<(&'a str, &'a Value)>, String> {
        find(&self.answer, ANSWER, row)
    }

    /// Names that the pictures of a row may have.
    pub(super) fn image_names(&self) -> Vec<&str> {
        match self.images.as_str() {
            "" => IMAGES.to_vec(),
            name => vec![name],
        }
    }

    /// Switches of the chat template that a row sets.
    ///
    /// # Errors
    /// The configured field is missing, or not an object.
    pub(super) fn template_args(&self, row: &Map<String, Value>) -> Result<TemplateArgs, String> {
        let Some((name, value)) = find(&self.template_args, &["chat_template_kwargs"], row)? else {
            return Ok(TemplateArgs::new());
        };
        let wrong = || format!("`{name}` is {value}, expected an object of switches and values");
        match value {
            Value::Object(args) => Ok(args.clone()),
            Value::String(json) => serde_json::from_str(json).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }

    /// How hard a row is: larger is harder.
    ///
    /// # Errors
    /// The configured field is missing, or not a number.
    pub(super) fn difficulty(&self, row: &Map<String, Value>) -> Result<Option<f64>, String> {
        let Some((name, value)) = find(&self.difficulty, &["difficulty", "pass_rate"], row)? else {
            return Ok(None);
        };
        let number = value
            .as_f64()
            .ok_or_else(|| format!("`{name}` is {value}, expected a number"))?;
        Ok(Some(if name == "pass_rate" { -number } else { number }))
    }
}

fn find<'a>(
    configured: &'a str,
    usual: &'a [&'a str],
    row: &'a Map<String, Value>,
) -> Result<Option<(&'a str, &'a Value)>, String> {
    if !configured.is_empty() {
        let value = lookup(row, configured).filter(|v| !v.is_null());
        let missing = || format!("the row has no `{configured}`, which data.columns names");
        return value.map(|v| Some((configured, v))).ok_or_else(missing);
    }
    let mut present = usual
        .iter()
        .filter_map(|name| Some((*name, row.get(*name)?)));
    Ok(present.find(|(_, value)| !value.is_null()))
}

/// A field by its dotted path; a field whose own name has dots comes first.
pub(super) fn lookup<'a>(row: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = row.get(path) {
        return Some(value);
    }
    let mut parts = path.split('.');
    let first = row.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}
