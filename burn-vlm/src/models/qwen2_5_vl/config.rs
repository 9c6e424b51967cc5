//! `config.json` in the flat form of the hub and the nested one of transformers 5.

use crate::{error::VlmError, nn::DecoderConfig};
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

/// Everything the architecture needs to know, and the file it was read from.
#[derive(Debug, Clone)]
pub struct Qwen2_5VlConfig {
    /// The text decoder.
    pub text: DecoderConfig,
    /// The vision tower.
    pub vision: VisionConfig,
    /// How many rotary frequencies follow time, height and width.
    pub mrope_section: Vec<usize>,
    /// Whether the head is the embedding table.
    pub tie_word_embeddings: bool,
    /// The token that an image feature replaces.
    pub image_token_id: u32,
    /// Longest sequence the model was made for, in tokens.
    pub max_position_embeddings: usize,
    /// Standard deviation of freshly drawn weights.
    pub initializer_range: f64,
    /// The file as it was read, written back unchanged on export.
    pub raw: Value,
}

/// Sizes of the vision tower.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct VisionConfig {
    /// Number of blocks.
    pub depth: usize,
    /// Width of a patch embedding.
    pub hidden_size: usize,
    /// Attention heads.
    pub num_heads: usize,
    /// Width inside the feed-forward layers.
    pub intermediate_size: usize,
    /// Width of an image feature: the decoder's D.
    pub out_hidden_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Side of a merged group in patches.
    pub spatial_merge_size: usize,
    /// Frames in a patch; a still picture is repeated.
    pub temporal_patch_size: usize,
    /// Side of an attention window in pixels.
    pub window_size: usize,
    /// Blocks that attend to the whole picture.
    pub fullatt_block_indexes: Vec<usize>,
    /// Colour channels.
    #[serde(default = "three", alias = "in_chans")]
    pub in_channels: usize,
    /// Activation of the feed-forward layers.
    pub hidden_act: String,
}

/// What `transformers` assumes for this family.
fn default_initializer_range() -> f64 {
    0.02
}

fn three() -> usize {
    3
}

#[derive(Deserialize)]
struct TextFields {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: usize,
    rms_norm_eps: f64,
    hidden_act: String,
    max_position_embeddings: usize,
    #[serde(default = "default_initializer_range")]
    initializer_range: f64,
    #[serde(default)]
    head_dim: Option<usize>,
    #[serde(default)]
    rope_theta: Option<f64>,
    #[serde(default, alias = "rope_scaling")]
    rope_parameters: Option<RopeFields>,
    #[serde(default)]
    use_sliding_window: bool,
}

#[derive(Deserialize)]
struct RopeFields {
    #[serde(default)]
    mrope_section: Option<Vec<usize>>,
    #[serde(default)]
    rope_theta: Option<f64>,
}

impl Qwen2_5VlConfig {
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
        let family = raw["model_type"].as_str().unwrap_or("none");
        if family != "qwen2_5_vl" {
            return Err(fail(format!(
                "model_type is `{family}`, supported: qwen2_5_vl"
            )));
        }
        let text_json = raw.get("text_config").unwrap_or(&raw).clone();
        let text: TextFields =
            serde_json::from_value(text_json).map_err(|e| fail(e.to_string()))?;
        let vision: VisionConfig = serde_json::from_value(raw["vision_config"].clone())
            .map_err(|e| fail(format!("vision_config: {e}")))?;
        let rope = text.rope_parameters.unwrap_or(RopeFields {
            mrope_section: None,
            rope_theta: None,
        });
        let config = Self {
            mrope_section: rope
                .mrope_section
                .ok_or_else(|| fail("rope_scaling.mrope_section is missing".into()))?,
            tie_word_embeddings: raw["tie_word_embeddings"]
                .as_bool()
                .or_else(|| raw["text_config"]["tie_word_embeddings"].as_bool())
                .unwrap_or(false),
            image_token_id: raw["image_token_id"]
                .as_u64()
                .and_then(|id| u32::try_from(id).ok())
                .ok_or_else(|| fail("image_token_id is missing, expected a token id".into()))?,
            max_position_embeddings: text.max_position_embeddings,
            initializer_range: text.initializer_range,
            text: DecoderConfig {
                vocab_size: text.vocab_size,
                hidden_size: text.hidden_size,
                intermediate_size: text.intermediate_size,
                num_hidden_layers: text.num_hidden_layers,
                num_attention_heads: text.num_attention_heads,
                num_key_value_heads: text.num_key_value_heads,
                head_dim: text
                    .head_dim
                    .unwrap_or(text.hidden_size / text.num_attention_heads.max(1)),
                rms_norm_eps: text.rms_norm_eps,
                rope_theta: text.rope_theta.or(rope.rope_theta).unwrap_or(10_000.0),
                qkv_bias: true,
            },
            vision,
            raw,
        };
        config
            .check(&text.hidden_act, text.use_sliding_window)
            .map_err(fail)?;
        Ok(config)
    }

    fn check(&self, text_act: &str, sliding: bool) -> Result<(), String> {
        let (text, vision) = (&self.text, &self.vision);
        let divides = |what: &str, a: usize, b: usize| match b != 0 && a.is_multiple_of(b) {
            true => Ok(()),
            false => Err(format!("{what}: {a} is not a multiple of {b}")),
        };
        divides(
            "num_attention_heads by num_key_value_heads",
            text.num_attention_heads,
            text.num_key_value_heads,
        )?;
        divides(
            "vision hidden_size by num_heads",
            vision.hidden_size,
            vision.num_heads,
        )?;
        divides(
            "vision head width by 4",
            vision.hidden_size / vision.num_heads,
            4,
        )?;
        divides(
            "window_size by patch_size · spatial_merge_size",
            vision.window_size,
            vision.patch_size * vision.spatial_merge_size,
        )?;
        let equal = |what: &str, found: usize, expected: usize| match found == expected {
            true => Ok(()),
            false => Err(format!("{what} is {found}, expected {expected}")),
        };
        equal(
            "sum of mrope_section",
            self.mrope_section.iter().sum(),
            text.head_dim / 2,
        )?;
        equal(
            "vision out_hidden_size",
            vision.out_hidden_size,
            text.hidden_size,
        )?;
        if (self.image_token_id as usize) >= text.vocab_size {
            return Err(format!(
                "image_token_id is {}, expected less than vocab_size {}",
                self.image_token_id, text.vocab_size
            ));
        }
        for (what, act) in [
            ("hidden_act", text_act),
            ("vision hidden_act", &vision.hidden_act),
        ] {
            if act != "silu" {
                return Err(format!("{what} is `{act}`, expected `silu`"));
            }
        }
        if sliding {
            return Err("use_sliding_window is true, which is not supported".into());
        }
        Ok(())
    }
}
