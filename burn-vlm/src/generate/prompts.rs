//! Prompts whose keys and values are held.

use super::Request;
use crate::{
    error::VlmError,
    features::ImageFeatures,
    input::{PromptRow, VlmInput},
    model::Vlm,
    nn::{KvCache, cache::PromptId},
    text::EncodedPrompt,
};
use burn::tensor::Tensor;
use std::{ops::Range, sync::Arc};

/// A prompt that was read or is about to be.
pub(super) struct Held {
    pub prompt: Arc<EncodedPrompt>,
    pub id: PromptId,
    /// Sequences that continue it.
    pub rows: usize,
    /// Position of the token after it.
    pub next_position: u32,
    /// The hidden state of its last token, `[1, D]`, once it was read.
    pub hidden: Option<Tensor<2>>,
}

/// All of them, in the order in which they came.
#[derive(Default)]
pub(super) struct Prompts(Vec<Held>);

impl Prompts {
    /// The prompt of a request, if it is held.
    pub fn find(&self, request: &Request) -> Option<PromptId> {
        let is_it = |held: &&Held| Arc::ptr_eq(&held.prompt, &request.prompt);
        self.0.iter().find(is_it).map(|held| held.id)
    }

    pub fn get(&self, id: PromptId) -> &Held {
        let held = self.0.iter().find(|held| held.id == id);
        held.expect("a prompt with sequences is held")
    }

    fn get_mut(&mut self, id: PromptId) -> &mut Held {
        let held = self.0.iter_mut().find(|held| held.id == id);
        held.expect("a prompt with sequences is held")
    }

    /// Makes room for the prompt of a request, if it is not held, and counts one more sequence.
    pub fn join(&mut self, request: &Request, model: &Vlm, cache: &mut dyn KvCache) -> PromptId {
        let id = self.find(request).unwrap_or_else(|| {
            let prompt = request.prompt.clone();
            let grids = prompt.images.iter().map(|image| image.grid);
            let (_, next_position) = model.config().positions(&prompt.tokens, grids);
            let id = cache.add_prompt(prompt.tokens.len());
            self.0.push(Held {
                prompt,
                id,
                rows: 0,
                next_position,
                hidden: None,
            });
            id
        });
        self.get_mut(id).rows += 1;
        id
    }

    /// Counts one sequence less.
    pub fn leave(&mut self, id: PromptId) {
        self.get_mut(id).rows -= 1;
    }

    /// Forgets what no sequence continues, but for the prompt of the request that is next.
    pub fn sweep(&mut self, next: Option<&Request>, cache: &mut dyn KvCache) {
        self.0.retain(|held| {
            let is_next = next.is_some_and(|next| Arc::ptr_eq(&held.prompt, &next.prompt));
            let stays = held.rows > 0 || is_next;
            if !stays {
                cache.remove_prompt(held.id);
            }
            stays
        });
    }

    /// Tokens of those that are to be read.
    pub fn unread_tokens(&self) -> usize {
        let unread = self.0.iter().filter(|held| held.hidden.is_none());
        unread.map(|held| held.prompt.tokens.len()).sum()
    }

    /// Reads those that were not, each picture through the tower once.
    ///
    /// # Errors
    /// As [`VlmInput::of_prompts`].
    pub fn read(&mut self, model: &Vlm, cache: &mut dyn KvCache) -> Result<(), VlmError> {
        let unread = self.0.iter_mut().filter(|held| held.hidden.is_none());
        let mut unread: Vec<&mut Held> = unread.collect();
        if unread.is_empty() {
            return Ok(());
        }
        let row = |held: &'_ &mut Held| held.prompt.clone();
        let prompts: Vec<Arc<EncodedPrompt>> = unread.iter().map(row).collect();
        let rows: Vec<PromptRow<'_>> = prompts
            .iter()
            .map(|prompt| PromptRow {
                prompt,
                response: &[],
            })
            .collect();
        let mut input = VlmInput::of_prompts(&rows, model.config(), &model.device())?;
        let images = prompts.iter().flat_map(|prompt| &prompt.images);
        if let Some(features) = ImageFeatures::of(model, images) {
            features.give(model, &mut input);
        }
        let shared = input.shared.as_ref().expect("prompts one after the other");
        let places: Vec<(PromptId, Range<usize>)> = unread
            .iter()
            .zip(&shared.rows)
            .map(|(held, place)| (held.id, place.prompt.clone()))
            .collect();
        let hidden = model.prefill(&input, &places, cache);
        for (i, held) in unread.iter_mut().enumerate() {
            held.hidden = Some(hidden.clone().narrow(0, i, 1));
        }
        Ok(())
    }
}
