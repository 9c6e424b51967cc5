//! A row made ready for the model, and whether the model has room for it.

use super::{DataRow, context::context, picture_bytes};
use crate::{error::RlError, stop::StopFlag, types::Prompt};
use burn_vlm::{
    Processor, VlmError,
    image::{decode, probe},
    rng::hash_text,
    text::Message,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Turns rows into prompts.
#[derive(Clone)]
pub struct Encoder {
    /// Tokenizer, chat template and picture processing of the model.
    pub processor: Arc<Processor>,
    /// A system message for conversations that have none; empty for no such message.
    pub system: String,
    /// Longest prompt in tokens.
    pub max_prompt_tokens: usize,
    /// Ends a demonstrated response.
    pub stop: u32,
    /// What has to fit beside a prompt, where that is known.
    pub room: Option<Room>,
    /// Told of rows that are looked at before the first step.
    pub progress: Option<CheckProgress>,
    /// Ends that look.
    pub stop_flag: StopFlag,
}

/// The positions of a model, which a prompt shares with what comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// The model's positions.
    pub positions: usize,
    /// Longest completion in tokens.
    pub max_new_tokens: usize,
    /// The setting that says so.
    pub key: &'static str,
}

impl Encoder {
    /// An encoder that looks at no row ahead of its turn and knows of no limit but
    /// `max_prompt_tokens`; `stop` ends a demonstrated response.
    pub fn new(
        processor: Arc<Processor>,
        system: impl Into<String>,
        max_prompt_tokens: usize,
        stop: u32,
    ) -> Self {
        Self {
            processor,
            system: system.into(),
            max_prompt_tokens,
            stop,
            room: None,
            progress: None,
            stop_flag: StopFlag::default(),
        }
    }

    /// Reads a row's pictures and encodes its conversation.
    ///
    /// # Errors
    /// A picture that cannot be read, or a prompt longer than the limit.
    pub fn encode(&self, row: &DataRow) -> Result<Prompt, RlError> {
        let messages = self.messages(row);
        let images = row
            .images
            .iter()
            .map(|path| {
                let name = path.display().to_string();
                decode(&name, &picture_bytes(path)?, self.processor.decoding())
            })
            .collect::<Result<Vec<_>, VlmError>>()?;
        let encoded = self
            .processor
            .encode_with(&messages, &images, true, &row.template_args)?;
        self.check_length(encoded.tokens.len())?;
        let target = row.target.as_ref().map(|text| {
            let mut tokens = self.processor.tokenizer().encode_text(text)?;
            tokens.push(self.stop);
            Ok::<_, RlError>(tokens)
        });
        let target = target.transpose()?;
        self.check_target(encoded.tokens.len(), target.as_deref())?;
        let context = context(row, &self.processor, &images, &encoded)?;
        Ok(Prompt {
            id: row.id.clone(),
            key: hash_text(&row.id),
            text: row.question(),
            images: row.images.clone(),
            answer: row.answer.clone().unwrap_or_default(),
            target,
            context,
            encoded: Arc::new(encoded),
        })
    }

    /// The row's conversation, with the system message where it has none.
    fn messages(&self, row: &DataRow) -> Vec<Message> {
        let mut messages = row.messages.clone();
        let has_system = messages.first().is_some_and(|m| m.role == "system");
        if !self.system.is_empty() && !has_system {
            messages.insert(0, Message::text("system", &self.system));
        }
        messages
    }

    /// Refuses a prompt that is too long, alone or with its completion.
    fn check_length(&self, found: usize) -> Result<(), RlError> {
        let limit = self.max_prompt_tokens;
        if found > limit {
            return Err(RlError::Config(format!(
                "the prompt is {found} tokens long, pictures included, expected at most {limit} \
                 (data.max_prompt_tokens)"
            )));
        }
        match self.room {
            Some(room) if found + room.max_new_tokens > room.positions => {
                Err(RlError::Config(format!(
                    "the prompt is {found} tokens long, pictures included, and {} is {}, expected \
                     at most {} together, which is what the model has positions for",
                    room.key, room.max_new_tokens, room.positions
                )))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a demonstrated response that the model has no room for.
    fn check_target(&self, prompt: usize, target: Option<&[u32]>) -> Result<(), RlError> {
        match (self.room, target) {
            (Some(room), Some(target)) if prompt + target.len() > room.positions => {
                Err(RlError::Config(format!(
                    "the prompt is {prompt} tokens long, pictures included, and its response {}, \
                     expected at most {} together, which is what the model has positions for",
                    target.len(),
                    room.positions
                )))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a row that is too long, by its text and the sizes in the headers of its picture files,
    /// or whose picture files are none: what can be known without reading a picture. A row without
    /// pictures is known whole.
    pub(super) fn check_quickly(&self, row: &DataRow) -> Result<(), RlError> {
        // Pictures inside a table have no file of their own.
        let files = row.images.iter().filter(|path| path.is_file());
        let sizes: Vec<(u32, u32)> = files.map(|path| probe(path)).collect::<Result<_, _>>()?;
        if row.images.is_empty() {
            return self.encode(row).map(|_| ());
        }
        let messages = self.messages(row);
        let args = &row.template_args;
        self.check_length(self.processor.least_len(&messages, &sizes, args)?)
    }
}

/// How closely rows are looked at before the first step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DataCheck {
    /// Not at all: what is wrong ends the run when the row's turn comes.
    None,
    /// Texts whole; pictures by the headers of their files.
    #[default]
    Headers,
    /// Every row as it will be read, pictures included.
    Full,
}

/// What is told of rows that are looked at: how many, of how many.
pub type CheckProgress = Arc<dyn Fn(usize, usize) + Send + Sync>;
