//! `config.json` of every family, in the flat form of the hub and the nested one of transformers 5.

use super::{VisionConfig, qwen2_5_vl, qwen2_vl};
use crate::{
    error::VlmError,
    nn::{DecoderConfig, Position, RopeScaling},
    weights::KeyMap,
};
use serde_json::Value;
use std::path::Path;

/// The architectures that are supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Family {
    /// Qwen2.5-VL.
    Qwen2_5Vl,
}

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
    /// The file as it was read, written back unchanged on export.
    pub raw: Value,
}

impl Family {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Qwen2_5Vl];

    /// `model_type` in `config.json`.
    pub fn model_type(self) -> &'static str {
        match self {
            Self::Qwen2_5Vl => "qwen2_5_vl",
        }
    }

    /// The family that a parsed `config.json` names.
    ///
    /// # Errors
    /// One that is not supported; the message lists those that are.
    pub fn of(raw: &Value) -> Result<Self, String> {
        let found = raw["model_type"].as_str().unwrap_or("none");
        let family = Self::ALL.iter().find(|f| f.model_type() == found);
        family.copied().ok_or_else(|| {
            let supported: Vec<_> = Self::ALL.iter().map(|f| f.model_type()).collect();
            format!(
                "model_type is `{found}`, supported: {}",
                supported.join(", ")
            )
        })
    }

    fn read(self, raw: &Value) -> Result<ModelConfig, String> {
        match self {
            Self::Qwen2_5Vl => qwen2_5_vl::config::read(raw),
        }
    }
}

impl ModelConfig {
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

    /// Names of the checkpoint's tensors.
    pub fn keys(&self) -> KeyMap {
        match self.family {
            Family::Qwen2_5Vl => qwen2_vl::keys::key_map(self),
        }
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
