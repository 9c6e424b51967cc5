//! A vision-language model as a policy: prompts once, and its own backward pass.

use super::{
    batch::MicroBatch,
    policy::{PassOptions, Policy},
};
use crate::error::RlError;
use burn::tensor::Device;
use burn_vlm::{
    EncodedPrompt, ImageFeatures, PromptRow, Vlm, VlmInput, runs_on_host,
    tape::{Grads, HiddenGrads, Tape, Targets, TokenScores, Upstream},
    weights::ExportDtype,
};
use rayon::prelude::*;
use std::path::Path;

/// A micro-batch whose rows lie one after the other, ready to be recorded.
pub(super) struct PackedBatch {
    pub input: VlmInput,
    pub targets: Targets,
}

impl PackedBatch {
    pub fn new(batch: &MicroBatch<'_>, model: &Vlm) -> Result<Self, RlError> {
        let device = model.device();
        let rows: Vec<PromptRow<'_>> = batch
            .rows
            .iter()
            .map(|row| PromptRow {
                prompt: &row.prompt,
                response: &row.response,
            })
            .collect();
        let mut input = VlmInput::of_prompts(&rows, model.config(), &device)?;
        for features in batch.features {
            features.give(model, &mut input);
        }
        let targets = Targets::of_prompts(&rows, &input, &device)?;
        Ok(Self { input, targets })
    }

    pub fn record<'a>(&'a self, model: &'a Vlm, options: &PassOptions) -> Tape<'a> {
        let (temperature, recompute) = (options.temperature, options.recompute);
        Tape::record(model, &self.input, &self.targets, temperature, recompute)
    }
}

/// Gradients of some micro-batches, added in their order. On a host their bodies are run side by
/// side; their heads, which use all cores each, one after the other, so that the gradient of the
/// head exists once.
///
/// # Errors
/// A row that the model cannot read, and what `loss` says.
pub(super) fn tape_gradients(
    model: &Vlm,
    batches: &[MicroBatch<'_>],
    options: &PassOptions,
    loss: &mut dyn FnMut(usize, &Tape<'_>) -> Result<Upstream, RlError>,
    grads: &mut Grads,
) -> Result<(), RlError> {
    let packed = |batch: &MicroBatch<'_>| {
        let packed = PackedBatch::new(batch, model)?;
        let model = match options.dropout_key {
            Some(key) => model.with_dropout(&packed.input, key, &batch.row_keys()),
            None => model.clone(),
        };
        Ok((packed, model))
    };
    let packed: Vec<(PackedBatch, Vlm)> =
        batches.iter().map(packed).collect::<Result<_, RlError>>()?;
    let tapes: Vec<Tape<'_>> = packed
        .par_iter()
        .map(|(packed, model)| packed.record(model, options))
        .collect();
    let mut bodies = vec![];
    for (i, tape) in tapes.into_iter().enumerate() {
        let upstream = loss(i, &tape)?;
        if let Some(hidden) = tape.heads_backward(upstream, grads) {
            bodies.push((tape, hidden));
        }
    }
    if !runs_on_host(&model.device()) {
        // An accelerator has no room for gradients of a part beside the sum.
        bodies
            .into_iter()
            .for_each(|(tape, hidden)| tape.body_backward(hidden, grads));
        return Ok(());
    }
    let alone = |(tape, hidden): (Tape<'_>, HiddenGrads)| {
        let mut own = Grads::new();
        tape.body_backward(hidden, &mut own);
        own
    };
    let found: Vec<Grads> = bodies.into_par_iter().map(alone).collect();
    found.into_iter().for_each(|own| grads.merge(own, model));
    Ok(())
}

impl Policy for Vlm {
    fn scores(
        &self,
        batch: &MicroBatch<'_>,
        options: &PassOptions,
    ) -> Result<TokenScores, RlError> {
        let packed = PackedBatch::new(batch, self)?;
        Ok(packed.record(self, options).scores())
    }

    fn gradients(
        &self,
        batch: &MicroBatch<'_>,
        options: &PassOptions,
        loss: &mut dyn FnMut(TokenScores) -> Result<Upstream, RlError>,
        grads: &mut Grads,
    ) -> Result<(), RlError> {
        let alone = std::slice::from_ref(batch);
        self.gradients_of(alone, options, &mut |_, scores| loss(scores), grads)
    }

    fn gradients_of(
        &self,
        batches: &[MicroBatch<'_>],
        options: &PassOptions,
        loss: &mut dyn FnMut(usize, TokenScores) -> Result<Upstream, RlError>,
        grads: &mut Grads,
    ) -> Result<(), RlError> {
        let loss = &mut |i, tape: &Tape<'_>| loss(i, tape.scores());
        tape_gradients(self, batches, options, loss, grads)
    }

    fn device(&self) -> Device {
        self.device()
    }

    /// The model as it is. Beside fresh adapters, which change nothing, that is the model without
    /// them.
    fn reference(&self, moves: bool) -> Self {
        let own = match self.has_fresh_lora() {
            true => self.without_lora(),
            false => self.clone(),
        };
        match moves {
            true => own,
            false => own.for_inference(),
        }
    }

    fn take(&mut self) -> Self {
        self.take()
    }

    fn has_dropout(&self) -> bool {
        self.has_dropout()
    }

    fn encode_pictures(
        &self,
        prompts: &mut dyn Iterator<Item = &EncodedPrompt>,
    ) -> Option<ImageFeatures> {
        ImageFeatures::of_frozen(self, prompts.flat_map(|prompt| &prompt.images))
    }

    /// A Hugging Face model directory, in f32.
    fn save(&self, dir: &Path) -> Result<(), RlError> {
        Ok(self.save(dir, ExportDtype::F32)?)
    }

    fn reload(&self, dir: &Path) -> Result<Self, RlError> {
        Ok(self.reload(dir)?)
    }
}
