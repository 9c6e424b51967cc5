//! A vision-language model as a policy: padded batches, and its own backward pass.

use super::{
    batch::MicroBatch,
    policy::{PassOptions, Policy},
};
use crate::error::RlError;
use burn::tensor::Device;
use burn_vlm::{
    EncodedPrompt, ImageFeatures, Row, Vlm, VlmInput,
    tape::{Grads, Tape, Targets, TokenScores, Upstream},
    weights::ExportDtype,
};
use std::path::Path;

/// A micro-batch padded to one width, ready to be recorded.
pub(super) struct PaddedBatch {
    pub input: VlmInput,
    pub targets: Targets,
}

impl PaddedBatch {
    pub fn new(batch: &MicroBatch<'_>, model: &Vlm) -> Result<Self, RlError> {
        let device = model.device();
        let rows = || batch.rows.iter();
        let tokens: Vec<Vec<u32>> = rows()
            .map(|row| {
                let prompt = row.prompt.tokens.iter();
                prompt.chain(&row.response).copied().collect()
            })
            .collect();
        let inputs: Vec<Row<'_>> = tokens
            .iter()
            .zip(rows())
            .map(|(tokens, row)| Row {
                tokens,
                images: &row.prompt.images,
            })
            .collect();
        let mut input = VlmInput::new(&inputs, model.config(), &device)?;
        for features in batch.features {
            features.give(model, &mut input);
        }
        let counts: Vec<usize> = rows().map(|row| row.response.len()).collect();
        let tokens: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
        let targets = Targets::new(&tokens, &counts, input.width, &device)?;
        Ok(Self { input, targets })
    }

    pub fn record<'a>(&'a self, model: &'a Vlm, options: &PassOptions) -> Tape<'a> {
        let (temperature, recompute) = (options.temperature, options.recompute);
        Tape::record(model, &self.input, &self.targets, temperature, recompute)
    }
}

impl Policy for Vlm {
    fn scores(
        &self,
        batch: &MicroBatch<'_>,
        options: &PassOptions,
    ) -> Result<TokenScores, RlError> {
        let padded = PaddedBatch::new(batch, self)?;
        Ok(padded.record(self, options).scores())
    }

    fn gradients(
        &self,
        batch: &MicroBatch<'_>,
        options: &PassOptions,
        loss: &mut dyn FnMut(TokenScores) -> Result<Upstream, RlError>,
        grads: &mut Grads,
    ) -> Result<(), RlError> {
        let padded = PaddedBatch::new(batch, self)?;
        let model = match options.dropout_key {
            Some(key) => self.with_dropout(&padded.input, key, batch.samples),
            None => self.clone(),
        };
        let tape = padded.record(&model, options);
        let upstream = loss(tape.scores())?;
        tape.backward_into(upstream, grads);
        Ok(())
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
