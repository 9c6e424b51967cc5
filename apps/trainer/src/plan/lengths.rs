//! How long prompts are, and how much they show.

use crate::{hub, model_dir::processor};
use burn_rl::{
    config::{RunConfig, SetConfig},
    data::{Encoder, RowDataset, RowKind},
    types::Prompt,
};
use burn_vlm::{Families, ModelConfig};
use rayon::prelude::*;
use std::{path::Path, sync::Arc};

/// Rows of each set that are looked at.
pub const LOOKED_AT: usize = 64;

/// The longest of prompts and the largest of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lengths {
    /// Tokens of the longest prompt.
    pub prompt: usize,
    /// Segments of patches that a prompt shows: pictures, or tiles of them.
    pub segments: usize,
    /// Patches of the largest segment.
    pub patches: usize,
    /// Held-out prompts.
    pub held_out: usize,
    /// Prompts that were looked at; none where these are the limits of the configuration.
    pub seen: Option<usize>,
}

impl Lengths {
    /// What the configuration allows at most: a prompt of the longest kind, all of it pictures.
    pub fn limits(config: &RunConfig, model: &ModelConfig) -> Self {
        let prompt = config.data.max_prompt_tokens;
        let limits = Self {
            prompt,
            held_out: if config.eval.data.is_empty() {
                0
            } else {
                config.eval.samples
            },
            ..Self::default()
        };
        let Some(vision) = &model.vision else {
            return limits;
        };
        // Tokens of a tile, or of a picture that fills the prompt.
        let merged = vision.sizes().merge_size.pow(2);
        let patches = match vision.tile() {
            Some(grid) => vision.segments(grid)[1],
            None => prompt * merged,
        };
        let segments = (prompt * merged).div_ceil(patches.max(1));
        Self {
            segments,
            patches,
            ..limits
        }
    }

    /// Those of the first rows of a run's data; none where the data or the model's processor are not
    /// here or cannot be read, which whoever needs them will report.
    pub fn look(config: &RunConfig, model: &ModelConfig, families: &Families) -> Option<Self> {
        let dir = hub::locate(Path::new(&config.model.path));
        let processor = processor(&dir, families).ok()?;
        let encoder = Encoder::new(
            Arc::new(
                processor
                    .with_options(&config.model.processor_options())
                    .ok()?,
            ),
            config.model.system.clone(),
            config.data.max_prompt_tokens,
            0,
        );
        let mut found = Self {
            seen: Some(0),
            ..Self::default()
        };
        let mut read = |set: &SetConfig| {
            let (path, kind) = (set.path.as_ref(), RowKind::Prompt);
            let rows = RowDataset::open(path, &set.format(), config.data.on_error, kind).ok()?;
            let first = rows.rows().par_iter().take(LOOKED_AT);
            let prompts: Vec<Prompt> = first.filter_map(|row| encoder.encode(row).ok()).collect();
            prompts.iter().for_each(|prompt| found.add(prompt, model));
            Some(rows.rows().len())
        };
        for set in &config.data.sets() {
            read(set)?;
        }
        if !config.eval.data.is_empty() {
            let rows = read(&config.data.set(&config.eval.data))?;
            found.held_out = held_out(config, rows);
        }
        Some(found).filter(|found| found.prompt > 0)
    }

    fn add(&mut self, prompt: &Prompt, model: &ModelConfig) {
        let vision = model.vision.as_ref();
        let mut segments = 0;
        for image in &prompt.encoded.images {
            let [n, patches] = vision.map_or([0, 0], |vision| vision.segments(image.grid));
            segments += n;
            self.patches = self.patches.max(patches);
        }
        self.segments = self.segments.max(segments);
        self.prompt = self.prompt.max(prompt.encoded.tokens.len());
        self.seen = self.seen.map(|n| n + 1);
    }
}

/// Held-out rows that are asked, of so many.
pub fn held_out(config: &RunConfig, rows: usize) -> usize {
    match config.eval.samples {
        0 => rows,
        asked => asked.min(rows),
    }
}
