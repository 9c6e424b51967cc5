//! Sizes of the vision tower, and what the configurations of both Qwen-VL families share.

use super::keys;
use crate::{
    models::{Architecture, TextFamily, qwen2::Qwen2},
    nn::{
        RopeScaling,
        mlp::{Activation, FeedForwardKind},
        norm::NormKind,
        vision::VisionBlockConfig,
    },
    weights::KeyMap,
};
use serde::Deserialize;
use serde_json::Value;

/// ε of every norm of the tower, which the file does not hold.
pub(in crate::models) const EPS: f64 = 1e-6;

/// Sizes of the vision tower of Qwen2-VL and Qwen2.5-VL.
#[derive(Debug, Clone, PartialEq)]
pub struct VisionConfig {
    /// Number of blocks.
    pub depth: usize,
    /// What the blocks are made of.
    pub block: VisionBlockConfig,
    /// Width of an image feature: the decoder's D.
    pub out_hidden_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Side of a merged group in patches.
    pub spatial_merge_size: usize,
    /// Frames in a patch; a still picture is repeated.
    pub temporal_patch_size: usize,
    /// Colour channels.
    pub in_channels: usize,
    /// Attention within windows; none where every block attends to the whole picture.
    pub windows: Option<Windows>,
}

/// Attention within windows.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows {
    /// Side of a window in pixels.
    pub size: usize,
    /// Blocks that attend to the whole picture.
    pub full_blocks: Vec<usize>,
}

#[derive(Deserialize)]
struct VisionFields {
    depth: usize,
    embed_dim: usize,
    num_heads: usize,
    hidden_size: usize,
    mlp_ratio: f64,
    patch_size: usize,
    spatial_merge_size: usize,
    temporal_patch_size: usize,
    in_channels: Option<usize>,
    in_chans: Option<usize>,
    hidden_act: Option<String>,
}

/// Reads `config.json` of Qwen2-VL.
pub(in crate::models) fn read(raw: &Value) -> Result<Architecture, String> {
    let fields: VisionFields = serde_json::from_value(raw["vision_config"].clone())
        .map_err(|e| format!("vision_config: {e}"))?;
    let act = fields.hidden_act.as_deref().unwrap_or("quick_gelu");
    let act = Activation::from_name(act).ok_or_else(|| {
        format!("vision_config.hidden_act is `{act}`, expected `quick_gelu` or `gelu`")
    })?;
    let vision = VisionConfig {
        depth: fields.depth,
        block: VisionBlockConfig {
            width: fields.embed_dim,
            heads: fields.num_heads,
            inner: (fields.embed_dim as f64 * fields.mlp_ratio) as usize,
            norm: NormKind::Layer,
            eps: EPS,
            mlp: FeedForwardKind::Mlp(act),
            qkv_bias: true,
            qk_norm: false,
            layer_scale: false,
        },
        out_hidden_size: fields.hidden_size,
        patch_size: fields.patch_size,
        spatial_merge_size: fields.spatial_merge_size,
        temporal_patch_size: fields.temporal_patch_size,
        in_channels: fields.in_channels.or(fields.in_chans).unwrap_or(3),
        windows: None,
    };
    with_vision(raw, vision)
}

/// Reads both forms of the file around a vision tower that has been read.
pub(in crate::models) fn with_vision(
    raw: &Value,
    vision: VisionConfig,
) -> Result<Architecture, String> {
    let text = Qwen2.section(raw.get("text_config").unwrap_or(raw))?;
    if !matches!(text.decoder.rope_scaling, RopeScaling::MRope { .. }) {
        return Err("rope_scaling.mrope_section is missing".into());
    }
    let image_token_id = raw["image_token_id"]
        .as_u64()
        .and_then(|id| u32::try_from(id).ok())
        .ok_or("image_token_id is missing, expected a token id")?;
    let tied = raw["tie_word_embeddings"].as_bool();
    let tied = tied.or(text.tie_word_embeddings);
    Ok(Architecture {
        tie_word_embeddings: tied.unwrap_or(false),
        ..Architecture::of_text(text, KeyMap::new(vec![("", keys::ROWS)]))
            .with_vision(vision, Some(image_token_id))
    })
}

impl VisionConfig {
    /// Values of a patch: C·T·P·P.
    pub fn patch_len(&self) -> usize {
        self.in_channels * self.temporal_patch_size * self.patch_size.pow(2)
    }
}
