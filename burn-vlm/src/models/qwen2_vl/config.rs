//! Sizes of the vision tower, and what the configurations of both Qwen-VL families share.

use super::keys;
use crate::{
    dir,
    models::{Architecture, Biases, KeyTables, Section, TextSection, rope},
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
use std::sync::LazyLock;

/// ε of every norm of the tower, which the file does not hold.
pub(in crate::models) const EPS: f64 = 1e-6;

/// Base of the tower's rotary frequencies where the file does not say it.
const ROPE_THETA: f64 = 10_000.0;

/// How many frequencies follow time, height and width where the file does not say it.
const MROPE_SECTION: [usize; 3] = [16, 24, 24];

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
    /// Base of the rotary frequencies over rows and columns.
    pub rope_theta: f64,
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
    in_channels: usize,
    hidden_act: String,
}

/// Keys of its configuration.
pub(super) static KEYS: LazyLock<KeyTables> =
    LazyLock::new(|| KeyTables::generated(include_str!("keys.json")));

/// Reads `config.json` of Qwen2-VL.
pub(in crate::models) fn read(raw: &Value) -> Result<Architecture, String> {
    let section = KEYS.table("vision").filled(&raw["vision_config"]);
    let fields: VisionFields = dir::fields(&section).map_err(|e| format!("vision_config.{e}"))?;
    let act = &fields.hidden_act;
    let act = Activation::from_name(act).ok_or_else(|| {
        let expected = Activation::NAMES.join(", ");
        format!("vision_config.hidden_act is `{act}`, expected one of: {expected}")
    })?;
    if !(fields.mlp_ratio.is_finite() && (0.0..=1024.0).contains(&fields.mlp_ratio)) {
        let found = fields.mlp_ratio;
        return Err(format!(
            "vision_config.mlp_ratio is {found}, expected 0 to 1024"
        ));
    }
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
        in_channels: fields.in_channels,
        windows: None,
        rope_theta: vision_theta(&section)?,
    };
    with_vision(raw, vision, &KEYS)
}

/// Base of the tower's rotary frequencies, of a section whose defaults are filled in.
pub(in crate::models) fn vision_theta(section: &Value) -> Result<f64, String> {
    // What transformers calls the same, beside its older name for it.
    let mut section = section.clone();
    for key in ["rope_scaling", "rope_parameters"] {
        if section[key]["rope_type"] == "axial" {
            section[key]["rope_type"] = "default".into();
        }
    }
    let rope = rope::read(&section, ROPE_THETA, 0).map_err(|e| format!("vision_config.{e}"))?;
    match rope.scaling {
        RopeScaling::None => Ok(rope.theta),
        _ => Err("vision_config has a rope_type other than `axial`, which is not supported".into()),
    }
}

/// Where the text decoder is described: in a section of its own, or flat.
fn text_pointer(raw: &Value) -> &'static str {
    match raw["text_config"].is_null() {
        true => "",
        false => "/text_config",
    }
}

/// The sections of either form of the file, each with its table among `tables`.
pub(in crate::models) fn sections(raw: &Value, tables: &'static KeyTables) -> Vec<Section> {
    vec![
        (text_pointer(raw), tables.table("text")),
        ("/vision_config", tables.table("vision")),
        ("", tables.table("top")),
    ]
}

/// Reads both forms of the file around a vision tower that has been read.
pub(in crate::models) fn with_vision(
    raw: &Value,
    vision: VisionConfig,
    tables: &KeyTables,
) -> Result<Architecture, String> {
    let section = raw.pointer(text_pointer(raw)).unwrap_or(raw);
    let mut section = tables.table("text").filled(section);
    if section["use_sliding_window"].is_null() {
        section["use_sliding_window"] = false.into();
    }
    let biases = Biases {
        qkv: true,
        ..Biases::default()
    };
    let mut text = TextSection::read(&section, biases)?;
    if !matches!(text.decoder.rope_scaling, RopeScaling::MRope { .. }) {
        text.decoder.rope_scaling = RopeScaling::MRope {
            sections: MROPE_SECTION,
            interleaved: false,
            base: Box::new(text.decoder.rope_scaling),
        };
    }
    let top = tables.table("top").filled(raw);
    let image_token_id = token_of(&top)?;
    // Either place may say it: older files say it in the section.
    let tied = dir::flag(&top, "tie_word_embeddings")?;
    Ok(Architecture {
        tie_word_embeddings: tied == Some(true) || text.tie_word_embeddings == Some(true),
        ..Architecture::of_text(text, KeyMap::new(vec![("", keys::ROWS)]))
            .with_vision(vision, Some(image_token_id))
    })
}

/// The id of the placeholder, of a top whose defaults are filled in.
pub(in crate::models) fn token_of(top: &Value) -> Result<u32, String> {
    let found = &top["image_token_id"];
    let id = found.as_u64().and_then(|id| u32::try_from(id).ok());
    id.ok_or_else(|| format!("image_token_id is {found}, expected a token id"))
}

impl VisionConfig {
    /// Values of a patch: C·T·P·P.
    pub fn patch_len(&self) -> usize {
        self.in_channels * self.temporal_patch_size * self.patch_size.pow(2)
    }
}
