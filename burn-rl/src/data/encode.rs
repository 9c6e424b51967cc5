//! Rows made ready for the model.

use super::{DataRow, JsonlDataset, Order};
use crate::{
    config::{DataConfig, OnError},
    error::RlError,
    types::Prompt,
};
use burn::data::dataset::Dataset;
use burn_vlm::{Processor, generate::rng::hash_text, image::load, text::Message};
use rayon::prelude::*;
use std::{path::Path, sync::Arc};

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
}

impl Encoder {
    /// Reads a row's pictures and encodes its conversation.
    ///
    /// # Errors
    /// A picture that cannot be read, or a prompt longer than the limit.
    pub fn encode(&self, row: &DataRow) -> Result<Prompt, RlError> {
        let mut messages = row.messages.clone();
        if !self.system.is_empty() && messages[0].role != "system" {
            messages.insert(0, Message::text("system", &self.system));
        }
        let images = row
            .images
            .iter()
            .map(|path| load(path, self.processor.alpha()))
            .collect::<Result<Vec<_>, _>>()?;
        let encoded = self.processor.encode(&messages, &images, true)?;
        let (found, limit) = (encoded.tokens.len(), self.max_prompt_tokens);
        if found > limit {
            return Err(RlError::Config(format!(
                "the prompt is {found} tokens long, pictures included, expected at most {limit} \
                 (data.max_prompt_tokens)"
            )));
        }
        let target = row.target.as_ref().map(|text| {
            let mut tokens = self.processor.tokenizer().encode_text(text)?;
            tokens.push(self.stop);
            Ok::<_, RlError>(tokens)
        });
        let last = row.messages.iter().rev().find(|m| m.role == "user");
        Ok(Prompt {
            id: row.id.clone(),
            key: hash_text(&row.id),
            text: last.map(Message::plain_text).unwrap_or_default(),
            images: row.images.clone(),
            answer: row.answer.clone().unwrap_or_default(),
            target: target.transpose()?,
            encoded: Arc::new(encoded),
        })
    }
}

/// A data set as prompts.
pub struct PromptSet {
    dataset: JsonlDataset,
    encoder: Encoder,
    order: Order,
}

impl PromptSet {
    /// Opens a file. With `on_error = "skip"` every row is encoded once to find those to skip.
    ///
    /// # Errors
    /// As [`JsonlDataset::open`].
    pub fn open(
        path: &Path,
        encoder: Encoder,
        config: &DataConfig,
        seed: u64,
    ) -> Result<Self, RlError> {
        let mut dataset = JsonlDataset::open(path, config.on_error)?;
        if config.on_error == OnError::Skip {
            let refusal = |row: &DataRow| {
                let error = encoder.encode(row).err()?;
                Some(dataset.error(row.line, error.to_string()))
            };
            let found: Vec<_> = dataset.rows().par_iter().map(refusal).collect();
            let mut found = found.into_iter();
            dataset.retain(|_| found.next().flatten().map_or(Ok(()), Err));
            dataset.check_not_empty()?;
        }
        let order = Order::new(dataset.len(), config.shuffle, seed);
        Ok(Self {
            dataset,
            encoder,
            order,
        })
    }

    /// The prompts at positions `first..first + n` of the walk over the set, encoded in parallel.
    ///
    /// # Errors
    /// A row that cannot be used, with its line.
    pub fn draw(&mut self, first: u64, n: usize) -> Result<Vec<Arc<Prompt>>, RlError> {
        let rows = (first..first + n as u64).map(|position| self.order.row(position));
        let rows: Vec<usize> = rows.collect();
        self.encode(&rows)
    }

    /// The first `n` rows as they stand in the file; all for 0.
    ///
    /// # Errors
    /// A row that cannot be used, with its line.
    pub fn first(&self, n: usize) -> Result<Vec<Arc<Prompt>>, RlError> {
        let n = if n == 0 {
            self.len()
        } else {
            n.min(self.len())
        };
        self.encode(&(0..n).collect::<Vec<_>>())
    }

    fn encode(&self, rows: &[usize]) -> Result<Vec<Arc<Prompt>>, RlError> {
        rows.par_iter()
            .map(|index| {
                let row = self.dataset.get(*index)?;
                let encoded = self.encoder.encode(&row);
                encoded
                    .map(Arc::new)
                    .map_err(|e| self.dataset.error(row.line, e.to_string()))
            })
            .collect()
    }

    /// Number of usable rows.
    pub fn len(&self) -> usize {
        self.dataset.len()
    }

    /// Whether there are none, which [`open`](Self::open) refuses.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows left out, each with its reason.
    pub fn skipped(&self) -> &[RlError] {
        &self.dataset.skipped
    }
}
