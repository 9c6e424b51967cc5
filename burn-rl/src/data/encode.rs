//! Rows made ready for the model.

use super::{Blend, Curriculum, DataRow, Order, RowDataset, RowKind, picture_bytes};
use crate::{
    config::{DataConfig, OnError, SetConfig},
    error::RlError,
    types::Prompt,
};
use burn::data::dataset::Dataset;
use burn_rewards::{OnUnparsableGold, RewardFn};
use burn_vlm::{
    Processor, VlmError,
    image::{decode, probe},
    rng::{hash_text, mix},
    text::Message,
};
use rayon::prelude::*;
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
            .map(|path| {
                let name = path.display().to_string();
                decode(&name, &picture_bytes(path)?, self.processor.decoding())
            })
            .collect::<Result<Vec<_>, VlmError>>()?;
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
        Ok(Prompt {
            id: row.id.clone(),
            key: hash_text(&row.id),
            text: row.question(),
            images: row.images.clone(),
            answer: row.answer.clone().unwrap_or_default(),
            target: target.transpose()?,
            encoded: Arc::new(encoded),
        })
    }
}

/// One data set, or several blended, as prompts.
pub struct PromptSet {
    parts: Vec<Part>,
    blend: Blend,
    encoder: Encoder,
    skipped: Vec<RlError>,
}

struct Part {
    dataset: RowDataset,
    order: Order,
}

impl PromptSet {
    /// Opens the sets. With `on_error = "skip"` every row is encoded once to find those to skip; else
    /// the header of every picture file is read. What only shows behind a header (a cut-off file, a
    /// prompt that is too long) then ends the run when the row's turn comes.
    ///
    /// # Errors
    /// As [`RowDataset::open`]; a row without difficulty where the order is by difficulty; a gold
    /// answer that does not pass `golds`.
    pub fn open(
        sets: &[SetConfig],
        kind: RowKind,
        encoder: Encoder,
        config: &DataConfig,
        seed: u64,
        golds: Option<&GoldCheck<'_>>,
    ) -> Result<Self, RlError> {
        let (mut parts, mut skipped) = (vec![], vec![]);
        for (i, set) in sets.iter().enumerate() {
            let (path, format) = (set.path.as_ref(), set.format());
            let mut dataset = RowDataset::open(path, &format, config.on_error, kind)?;
            if config.on_error == OnError::Skip {
                skip_unusable(&mut dataset, &encoder)?;
            } else {
                check_headers(dataset.rows())?;
            }
            if let Some(golds) = golds {
                golds.check(&mut dataset)?;
            }
            skipped.append(&mut dataset.skipped);
            let seed = if i == 0 { seed } else { mix(seed, i as u64) };
            let mut order = Order::new(dataset.len(), config.shuffle, seed);
            if config.curriculum != Curriculum::None {
                order = order.ranked(ranks(dataset.rows(), config.curriculum)?);
            }
            parts.push(Part { dataset, order });
        }
        let weights: Vec<f64> = sets.iter().map(|set| set.weight).collect();
        Ok(Self {
            parts,
            blend: Blend::new(&weights, seed),
            encoder,
            skipped,
        })
    }

    /// The prompts at positions `first..first + n` of the walk over the sets, encoded in parallel.
    ///
    /// # Errors
    /// A row that cannot be used, with its line.
    pub fn draw(&mut self, first: u64, n: usize) -> Result<Vec<Arc<Prompt>>, RlError> {
        let mut rows = Vec::with_capacity(n);
        for position in first..first + n as u64 {
            let (part, index) = self.blend.at(position);
            rows.push((part, self.parts[part].order.row(index)));
        }
        self.encode(&rows)
    }

    /// The first `n` rows as they stand, set after set; all for 0.
    ///
    /// # Errors
    /// A row that cannot be used, with its line.
    pub fn first(&self, n: usize) -> Result<Vec<Arc<Prompt>>, RlError> {
        let n = if n == 0 { self.len() } else { n };
        let rows = self.parts.iter().enumerate();
        let rows = rows.flat_map(|(p, part)| (0..part.dataset.len()).map(move |row| (p, row)));
        self.encode(&rows.take(n).collect::<Vec<_>>())
    }

    fn encode(&self, rows: &[(usize, usize)]) -> Result<Vec<Arc<Prompt>>, RlError> {
        rows.par_iter()
            .map(|(part, index)| {
                let mut row = self.parts[*part].dataset.get(*index)?;
                if self.parts.len() > 1 {
                    // Ids need to be unique only in their file.
                    row.id = format!("{part}:{}", row.id);
                }
                let encoded = self.encoder.encode(&row);
                encoded.map(Arc::new).map_err(|e| row.error(e))
            })
            .collect()
    }

    /// Refuses a set of which some row ends without a response to learn from.
    ///
    /// # Errors
    /// The first such row, with its line.
    pub fn check_demonstrations(&self) -> Result<(), RlError> {
        let mut rows = self.parts.iter().flat_map(|part| part.dataset.rows());
        let silent = rows.find(|row| row.target.is_none());
        silent.map_or(Ok(()), |row| {
            Err(row.error("the row ends without an assistant turn to learn from"))
        })
    }

    /// Number of usable rows.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.dataset.len()).sum()
    }

    /// Whether there are none, which [`open`](Self::open) refuses.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows left out, each with its reason.
    pub fn skipped(&self) -> &[RlError] {
        &self.skipped
    }
}

/// Asks the reward about every gold answer before anything is sampled.
pub struct GoldCheck<'a> {
    /// The reward that will need them.
    pub reward: &'a dyn RewardFn,
    /// What one that it cannot use does.
    pub policy: OnUnparsableGold,
}

impl GoldCheck<'_> {
    /// Refuses the first row of a gold answer that cannot be used, or leaves out every such row.
    ///
    /// # Errors
    /// That row, with its line; a set of which no row is left.
    pub fn check(&self, dataset: &mut RowDataset) -> Result<(), RlError> {
        let refusal = |row: &DataRow| {
            let answer = row.answer.as_deref().unwrap_or_default();
            let refused = self.reward.check_gold(&row.question(), answer);
            Some(row.error(refused.err()?))
        };
        let found: Vec<_> = dataset.rows().par_iter().map(refusal).collect();
        if self.policy != OnUnparsableGold::Skip {
            return found.into_iter().flatten().next().map_or(Ok(()), Err);
        }
        let mut found = found.into_iter();
        dataset.retain(|_| found.next().flatten().map_or(Ok(()), Err));
        dataset.check_not_empty()
    }
}

/// Encodes every row once, and leaves those out that cannot be.
fn skip_unusable(dataset: &mut RowDataset, encoder: &Encoder) -> Result<(), RlError> {
    let refusal = |row: &DataRow| Some(row.error(encoder.encode(row).err()?));
    let found: Vec<_> = dataset.rows().par_iter().map(refusal).collect();
    let mut found = found.into_iter();
    dataset.retain(|_| found.next().flatten().map_or(Ok(()), Err));
    dataset.check_not_empty()
}

/// Refuses the first row of which a picture file is none, by the file's header alone.
fn check_headers(rows: &[DataRow]) -> Result<(), RlError> {
    let refusal = |row: &DataRow| {
        // Pictures inside a table have no file of their own.
        let mut files = row.images.iter().filter(|path| path.is_file());
        Some(row.error(files.find_map(|path| probe(path).err())?))
    };
    let bad = rows.par_iter().find_map_first(refusal);
    bad.map_or(Ok(()), Err)
}

/// What an epoch is sorted by.
fn ranks(rows: &[DataRow], curriculum: Curriculum) -> Result<Vec<f64>, RlError> {
    let rank = |row: &DataRow| {
        let difficulty = row.difficulty.ok_or_else(|| {
            row.error(
                "the row has no `difficulty` or `pass_rate` (or data.columns.difficulty), \
                 which data.curriculum needs",
            )
        })?;
        Ok(match curriculum {
            Curriculum::HardFirst => -difficulty,
            _ => difficulty,
        })
    };
    rows.iter().map(rank).collect()
}
