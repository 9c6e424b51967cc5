//! What a reward may look at.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

/// Everything a reward may look at.
///
/// More fields may come: make one with [`RewardInput::new`] and the `with_…` methods.
///
/// ```
/// use burn_rewards::RewardInput;
///
/// let input = RewardInput::new("<answer>red</answer>", "red")
///     .with_prompt("Which colour?")
///     .with_set("clevr")
///     .with_step(12);
/// assert_eq!(input.step, Some(12));
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RewardInput<'a> {
    /// The prompt as the user wrote it, without template tokens.
    pub prompt: &'a str,
    /// What the model answered, special tokens removed.
    pub response: &'a str,
    /// The gold answer of the data row; empty where it has none.
    pub answer: &'a str,
    /// All answers that are accepted, `answer` first, where there are several; else empty. A
    /// reward in a [`crate::Composite`] need not look: it is asked about each of them.
    pub answers: &'a [String],
    /// Length of the response in tokens, where it was counted.
    pub response_tokens: Option<usize>,
    /// Whether the response was cut at the length limit.
    pub truncated: bool,
    /// The row's id in its file; empty where that is not known.
    pub row_id: &'a str,
    /// Name of the data set that the row is from; empty where it has none.
    pub set: &'a str,
    /// The training step, from 1; none outside of training.
    pub step: Option<u64>,
    /// The row's fields as they stand in the data file, pictures left out.
    pub fields: Option<&'a Map<String, Value>>,
    /// The last characters of the prompt as the model reads it, template tokens included: a
    /// template may open the thought, `…<think>\n`.
    pub prompt_end: &'a str,
    /// The prompt's pictures in their order.
    pub images: &'a [ImageSize],
    /// Their files; those inside a parquet file by a name that no other program can read.
    pub image_files: &'a [PathBuf],
    /// How models of this family write coordinates; none where that is not known.
    pub coordinates: Option<BoxCoordinates>,
    /// True once nobody wants the reward any more: who waits for another program then gives up,
    /// with any error.
    pub cancel: Option<&'a AtomicBool>,
}

/// A picture's size in pixels, width before height.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSize {
    /// As it is in its file.
    pub original: [u32; 2],
    /// As the model saw it.
    pub resized: [u32; 2],
}

/// What coordinates in a picture are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoxCoordinates {
    /// Pixels of the picture in its file.
    Pixels,
    /// Pixels of the picture as the model saw it: Qwen2.5-VL.
    Resized,
    /// Thousandths of width and height: Qwen2-VL, Qwen3-VL, InternVL.
    Thousandths,
    /// Shares of width and height, 0 to 1.
    Unit,
}

impl<'a> RewardInput<'a> {
    /// An input of which only the response and the gold answer are known.
    pub fn new(response: &'a str, answer: &'a str) -> Self {
        Self {
            prompt: "",
            response,
            answer,
            answers: &[],
            response_tokens: None,
            truncated: false,
            row_id: "",
            set: "",
            step: None,
            fields: None,
            prompt_end: "",
            images: &[],
            image_files: &[],
            coordinates: None,
            cancel: None,
        }
    }

    /// The prompt as the user wrote it.
    #[must_use]
    pub fn with_prompt(mut self, prompt: &'a str) -> Self {
        self.prompt = prompt;
        self
    }

    /// The length of the response in tokens.
    #[must_use]
    pub fn with_response_tokens(mut self, tokens: usize) -> Self {
        self.response_tokens = Some(tokens);
        self
    }

    /// Whether the response was cut at the length limit.
    #[must_use]
    pub fn with_truncated(mut self, truncated: bool) -> Self {
        self.truncated = truncated;
        self
    }

    /// All answers that are accepted, where there are several.
    #[must_use]
    pub fn with_answers(mut self, answers: &'a [String]) -> Self {
        self.answers = answers;
        self
    }

    /// The row's id in its file.
    #[must_use]
    pub fn with_row_id(mut self, id: &'a str) -> Self {
        self.row_id = id;
        self
    }

    /// Name of the data set.
    #[must_use]
    pub fn with_set(mut self, set: &'a str) -> Self {
        self.set = set;
        self
    }

    /// The training step, from 1.
    #[must_use]
    pub fn with_step(mut self, step: u64) -> Self {
        self.step = Some(step);
        self
    }

    /// The row's fields.
    #[must_use]
    pub fn with_fields(mut self, fields: &'a Map<String, Value>) -> Self {
        self.fields = Some(fields);
        self
    }

    /// The last characters of the prompt as the model reads it.
    #[must_use]
    pub fn with_prompt_end(mut self, end: &'a str) -> Self {
        self.prompt_end = end;
        self
    }

    /// The sizes of the prompt's pictures.
    #[must_use]
    pub fn with_images(mut self, images: &'a [ImageSize]) -> Self {
        self.images = images;
        self
    }

    /// The files of the prompt's pictures.
    #[must_use]
    pub fn with_image_files(mut self, files: &'a [PathBuf]) -> Self {
        self.image_files = files;
        self
    }

    /// What becomes true once nobody wants the reward any more.
    #[must_use]
    pub fn with_cancel(mut self, cancel: &'a AtomicBool) -> Self {
        self.cancel = Some(cancel);
        self
    }

    /// How models of this family write coordinates.
    #[must_use]
    pub fn with_coordinates(mut self, coordinates: BoxCoordinates) -> Self {
        self.coordinates = Some(coordinates);
        self
    }

    /// A field of the row, if it has it; `a.b` is the field `b` of the object `a`, unless there is
    /// a field of that whole name.
    pub fn field(&self, name: &str) -> Option<&'a Value> {
        let fields = self.fields?;
        fields.get(name).or_else(|| {
            let (outer, inner) = name.split_once('.')?;
            let path = inner.split('.');
            path.fold(fields.get(outer), |value, key| value?.get(key))
        })
    }

    /// Whether the prompt ends inside a thought: its template has written `<think>` already.
    pub fn thought_is_open(&self) -> bool {
        self.prompt_end.trim_end().ends_with("<think>")
    }

    /// Whether nobody wants the reward any more.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// The gold answer as other programs are told it: a text, a list of those that are accepted, or
    /// null.
    pub(crate) fn gold(&self) -> Value {
        match (self.answers, self.answer) {
            ([], "") => Value::Null,
            ([], answer) => answer.into(),
            (answers, _) => answers.into(),
        }
    }

    /// What other programs are told of a row, beside prompt, response and answer.
    pub(crate) fn context(&self) -> Map<String, Value> {
        let all = json!({
            "response_tokens": self.response_tokens,
            "truncated": self.truncated,
            "row_id": self.row_id,
            "set": self.set,
            "step": self.step,
            "fields": self.fields,
            "prompt_end": self.prompt_end,
            "images": self.pictures(),
            "coordinates": self.coordinates,
        });
        match all {
            Value::Object(all) => all,
            _ => Map::new(),
        }
    }

    /// Each picture with its sizes and its file, as far as they are known.
    fn pictures(&self) -> Vec<Value> {
        let one = |i: usize| {
            let mut picture = json!({});
            if let Some(size) = self.images.get(i) {
                picture = json!(size);
            }
            // Pictures inside a table are no files.
            if let Some(file) = self.image_files.get(i).filter(|file| file.is_file()) {
                // The same whether the run began or was continued here or elsewhere.
                let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
                picture["path"] = file.to_string_lossy().into();
            }
            picture
        };
        let count = self.images.len().max(self.image_files.len());
        (0..count).map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_inside_fields_are_found_by_their_path() {
        let fields = json!({"a": {"b": {"c": 1}}, "a.b": 2, "d": null});
        let input = RewardInput::new("", "").with_fields(fields.as_object().unwrap());
        assert_eq!(input.field("a.b.c"), Some(&json!(1)));
        assert_eq!(input.field("a.b"), Some(&json!(2)));
        assert_eq!(input.field("d"), Some(&Value::Null));
        assert_eq!(input.field("a.x"), None);
        assert_eq!(RewardInput::new("", "").field("a"), None);
    }

    #[test]
    fn a_thought_is_open_where_the_prompt_ends_in_its_tag() {
        let open = |end| {
            RewardInput::new("", "")
                .with_prompt_end(end)
                .thought_is_open()
        };
        assert!(open("<|im_start|>assistant\n<think>\n") && open("<think>"));
        assert!(!open("<think>\n\n</think>\n\n") && !open("assistant\n") && !open(""));
    }
}
