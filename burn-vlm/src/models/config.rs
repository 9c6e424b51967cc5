//! `config.json` of every family, in the flat form of the hub and the nested one of transformers 5.

use super::{Family, VisionConfig, internvl, qwen2_vl};
use crate::{
    error::VlmError,
    nn::{DecoderConfig, Position, RopeScaling},
    precision::Compute,
    weights::{KeyMap, WeightFiles},
};
use serde_json::Value;
use std::path::Path;

/// Everything the architecture needs to know, and the file it was read from.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    /// The architecture.
    pub family: Family,
    /// The text decoder.
    pub text: DecoderConfig,
    /// The vision tower, unless the model only reads text.
    pub vision: Option<VisionConfig>,
    /// Whether the head is the embedding table.
    pub tie_word_embeddings: bool,
    /// The token that an image feature replaces, where the file says it.
    pub image_token_id: Option<u32>,
    /// Positions the model was trained on.
    pub max_position_embeddings: usize,
    /// Standard deviation of freshly drawn weights.
    pub initializer_range: f64,
    /// What the model computes in; no file says it.
    pub compute: Compute,
    /// The file as it was read, written back unchanged on export.
    pub raw: Value,
}

impl ModelConfig {
    /// Reads `config.json` of a model directory, and from `tokenizer.json` the id of the image
    /// token where only that says it.
    ///
    /// # Errors
    /// As [`from_file`](Self::from_file), and a tokenizer that is malformed.
    pub fn from_dir(dir: &Path) -> Result<Self, VlmError> {
        let path = dir.join("config.json");
        let mut config = Self::from_file(&path)?;
        if config.image_token_id.is_none() && config.vision.is_some() {
            config.image_token_id = internvl::config::image_token(dir)?;
            config.check().map_err(|m| VlmError::config(&path, m))?;
        }
        Ok(config)
    }

    /// Reads `config.json`.
    ///
    /// # Errors
    /// A missing or mistyped key, sizes that do not fit each other, or a variant that is not
    /// supported; the message names the key.
    pub fn from_file(path: &Path) -> Result<Self, VlmError> {
        let bytes = std::fs::read(path).map_err(|e| VlmError::io(path, e))?;
        Self::from_slice(&bytes, path)
    }

    /// Parses the bytes of a `config.json`; `path` is where messages say they are from.
    ///
    /// # Errors
    /// As [`from_file`](Self::from_file).
    pub fn from_slice(bytes: &[u8], path: &Path) -> Result<Self, VlmError> {
        let fail = |message: String| VlmError::config(path, message);
        let raw: Value = serde_json::from_slice(bytes).map_err(|e| fail(e.to_string()))?;
        Self::from_json(&raw).map_err(fail)
    }

    /// Reads a parsed `config.json`.
    ///
    /// # Errors
    /// What [`from_file`](Self::from_file) refuses, without the path.
    pub fn from_json(raw: &Value) -> Result<Self, String> {
        let config = Family::of(raw)?.read(raw)?;
        config.check()?;
        Ok(config)
    }

    /// The same for computing in another precision.
    pub fn computing_in(self, compute: Compute) -> Self {
        Self { compute, ..self }
    }

    fn check(&self) -> Result<(), String> {
        self.text.check()?;
        if let Some(vision) = &self.vision {
            vision.check(self.text.hidden_size)?;
        }
        match self.image_token_id {
            Some(id) if id as usize >= self.text.vocab_size => Err(format!(
                "image_token_id is {id}, expected less than vocab_size {}",
                self.text.vocab_size
            )),
            _ => Ok(()),
        }
    }

    /// Decides by the files whether the head is the embedding table, where they know better.
    ///
    /// InternVL's head is tied exactly if there is none in the files: its configurations leave it
    /// open. Elsewhere a head that is there although it is tied must repeat the table.
    ///
    /// # Errors
    /// It does not.
    pub fn settle_head(&mut self, files: &WeightFiles) -> Result<(), VlmError> {
        let keys = self.keys();
        let find = |path: &str| {
            let names = keys.generations(path).into_iter().flatten();
            names.skip(1).find(|name| files.shape(name).is_some())
        };
        let Some(head) = find("lm_head.weight") else {
            self.tie_word_embeddings |=
                matches!(self.family, Family::InternVl | Family::InternVlChat);
            return Ok(());
        };
        if self.tie_word_embeddings {
            let table = find("model.embed_tokens.weight");
            let repeats = table.is_some_and(|table| {
                let same = files.bytes(&table) == files.bytes(&head);
                files.release(&table);
                files.release(&head);
                same
            });
            match self.family {
                Family::InternVl | Family::InternVlChat => self.tie_word_embeddings = repeats,
                _ if repeats => {}
                _ => {
                    return Err(VlmError::weights(
                        files.dir(),
                        format!(
                            "{head} differs from the embedding table, expected the same numbers \
                             or tie_word_embeddings false in config.json"
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Names of the modules in transformers: those of the newest generation.
    pub fn module_keys(&self) -> KeyMap {
        KeyMap::new(self.family.module_tables(&self.raw))
    }

    /// Names of the checkpoint's tensors.
    pub fn keys(&self) -> KeyMap {
        let mut keys = KeyMap::new(self.family.tables(&self.raw));
        keys.turns = self.text.num_key_value_heads;
        if let Some(vision) = &self.vision {
            keys.file_shapes = vision.file_shapes();
        }
        if self.tie_word_embeddings {
            // Some exports repeat the tied head.
            keys.ignored.push("lm_head.weight".into());
        }
        keys
    }

    /// Image features that a picture of `grid` patches becomes; none without a vision tower.
    pub fn image_tokens(&self, grid: [usize; 3]) -> usize {
        self.vision.as_ref().map_or(0, |v| v.image_tokens(grid))
    }

    /// Longest sequence, in tokens: what the model was trained on, times the factor by which its
    /// rotary positions are stretched.
    pub fn max_positions(&self) -> usize {
        let factor = match self.text.rope_scaling {
            RopeScaling::Dynamic { factor, .. } | RopeScaling::Linear { factor } => factor,
            RopeScaling::None | RopeScaling::MRope(_) => 1.0,
        };
        (self.max_position_embeddings as f64 * factor.max(1.0)) as usize
    }

    /// Positions of a row, and the position of the token after its end.
    ///
    /// `grids` are `[t, h, w]` in patches, in the order of the row's pictures.
    pub fn positions(
        &self,
        tokens: &[u32],
        grids: impl IntoIterator<Item = [usize; 3]>,
    ) -> (Vec<Position>, u32) {
        match (&self.text.rope_scaling, &self.vision, self.image_token_id) {
            (RopeScaling::MRope(_), Some(VisionConfig::Qwen(vision)), Some(image_token)) => {
                qwen2_vl::text::positions(tokens, image_token, grids, vision.spatial_merge_size)
            }
            _ => {
                let len = tokens.len() as u32;
                ((0..len).map(|at| [at; 3]).collect(), len)
            }
        }
    }
}
