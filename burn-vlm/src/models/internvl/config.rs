//! `config.json` of InternVL in both layouts.

use super::{IMAGE_TOKEN, keys};
use crate::{
    dir,
    error::VlmError,
    models::{Architecture, Families, KeyTable, KeyTables, Section},
    nn::{
        mlp::{Activation, FeedForwardKind},
        norm::NormKind,
        vision::VisionBlockConfig,
    },
    weights::KeyMap,
};
use serde::Deserialize;
use serde_json::Value;
use std::{path::Path, sync::LazyLock};

/// Sizes of InternViT and its projector.
#[derive(Debug, Clone, PartialEq)]
pub struct VisionConfig {
    /// Number of blocks.
    pub depth: usize,
    /// What the blocks are made of.
    pub block: VisionBlockConfig,
    /// Side of a tile in pixels.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Side of a merged group in patches.
    pub merge_size: usize,
    /// Colour channels.
    pub in_channels: usize,
    /// Width of an image feature: the decoder's D.
    pub out_hidden_size: usize,
}

/// The keys of `vision_config`, in either layout.
#[derive(Deserialize)]
struct VisionFields {
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    image_size: Side,
    patch_size: Side,
    num_channels: Option<usize>,
    hidden_act: Option<String>,
    norm_type: Option<String>,
    layer_norm_eps: Option<f64>,
    #[serde(alias = "attention_bias")]
    qkv_bias: Option<bool>,
    #[serde(alias = "use_qk_norm")]
    qk_normalization: Option<bool>,
    use_mean_pooling: Option<bool>,
    use_absolute_position_embeddings: Option<bool>,
}

/// `model_type` of InternVL's own layout.
pub(super) const ORIGINAL: &str = "internvl_chat";

/// `model_type` of the layout of transformers.
pub(super) const NATIVE: &str = "internvl";

/// One number, or one for each direction.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a whole number, or the same one twice")]
enum Side {
    Square(usize),
    Pair([usize; 2]),
}

/// The keys at the top, in either layout.
#[derive(Deserialize)]
pub(super) struct TopFields {
    pub downsample_ratio: Option<f64>,
    pub force_image_size: Option<usize>,
    pub dynamic_image_size: Option<bool>,
    pub min_dynamic_patch: Option<usize>,
    pub max_dynamic_patch: Option<usize>,
    pub use_thumbnail: Option<bool>,
    pad2square: Option<bool>,
    img_context_token_id: Option<u32>,
    image_token_id: Option<u32>,
    tie_word_embeddings: Option<bool>,
    #[serde(rename = "template")]
    _template: Option<String>,
}

impl TopFields {
    /// Reads the top of a file whose defaults are filled in.
    fn read(raw: &Value) -> Result<Self, String> {
        let top: Self = dir::fields(raw)?;
        match top.pad2square {
            Some(true) => Err("pad2square is true, expected false".into()),
            _ => Ok(top),
        }
    }

    /// Side, in patches, of the square that becomes one feature.
    fn merge_size(&self) -> Result<usize, String> {
        let ratio = self.downsample_ratio.unwrap_or(0.5);
        match (0.0625..=1.0).contains(&ratio) && (1.0 / ratio).fract() == 0.0 {
            true => Ok((1.0 / ratio) as usize),
            false => Err(format!(
                "downsample_ratio is {ratio}, expected one over a whole number up to 16"
            )),
        }
    }
}

/// What a file says of pictures: the keys at its top, and the tower, whose features are
/// `out_hidden_size` wide.
pub(super) fn read_pictures(
    raw: &Value,
    out_hidden_size: usize,
) -> Result<(TopFields, VisionConfig), String> {
    let original = raw["model_type"] == ORIGINAL;
    let [vision, top] = tables(original);
    let top = TopFields::read(&top.filled(raw))?;
    let fields = dir::fields(&vision.filled(&raw["vision_config"]))
        .map_err(|e| format!("vision_config.{e}"))?;
    let vision = vision_of(original, &top, fields, out_hidden_size)?;
    Ok((top, vision))
}

/// Keys of its configurations.
static KEYS: LazyLock<KeyTables> =
    LazyLock::new(|| KeyTables::generated(include_str!("keys.json")));

/// The tables of a layout, of `vision_config` and of the top.
fn tables(original: bool) -> [&'static KeyTable; 2] {
    let names = match original {
        true => ["own_vision", "own_top"],
        false => ["vision", "top"],
    };
    names.map(|name| KEYS.table(name))
}

/// The sections of either layout with the tables of their keys.
pub(super) fn known_keys(raw: &Value, families: &Families) -> Vec<Section> {
    let original = raw["model_type"] == ORIGINAL;
    let [vision, top] = tables(original);
    let (key, pointer) = match original {
        true => ("llm_config", "/llm_config"),
        false => ("text_config", "/text_config"),
    };
    let decoder = families.of_text(&raw[key], key).ok();
    let text = decoder.and_then(|decoder| decoder.known_keys());
    let text = text.map(|table| (pointer, table));
    let own = [("/vision_config", vision), ("", top)];
    own.into_iter().chain(text).collect()
}

pub(in crate::models) fn read(raw: &Value, families: &Families) -> Result<Architecture, String> {
    // The layout of its own files; the other is that of transformers.
    let original = raw["model_type"] == ORIGINAL;
    let raw = &tables(original)[1].filled(raw);
    let key = match original {
        true => "llm_config",
        false => "text_config",
    };
    let section = &raw[key];
    let decoder = families.of_text(section, key)?;
    let text = decoder.section(section)?;
    only(raw, "select_layer", &Value::from(-1))?;
    only(raw, "vision_feature_layer", &Value::from(-1))?;
    only(raw, "vision_feature_select_strategy", &"default".into())?;
    only(raw, "projector_hidden_act", &"gelu".into())?;
    if original {
        only(raw, "ps_version", &"v2".into())?;
    }
    let (top, vision) = read_pictures(raw, text.decoder.hidden_size)?;
    let tied = match original {
        true => text.tie_word_embeddings,
        false => top.tie_word_embeddings.or(text.tie_word_embeddings),
    };
    let image_token = top.img_context_token_id.or(top.image_token_id);
    let native = KeyMap::new(vec![("", keys::NATIVE)]);
    let keys = match original {
        true => {
            let decoder = ("language_model.", decoder.keys());
            KeyMap::new(vec![("", keys::ORIGINAL), decoder])
        }
        false => native.clone(),
    };
    Ok(Architecture {
        tie_word_embeddings: tied.unwrap_or(false),
        module_keys: Some(native),
        ..Architecture::of_text(text, keys).with_vision(vision, image_token)
    })
}

/// The id of the image token in the tokenizer of a model directory, which InternVL's own
/// configuration does not hold; none without a tokenizer, or where it has no such token.
///
/// Only what is declared beside the vocabulary is looked at, so that no tokenizer has to be built.
pub(in crate::models) fn image_token(dir: &Path) -> Result<Option<u32>, VlmError> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    let tokenizer = read_json(&dir.join("tokenizer.json"))?;
    let listed = tokenizer["added_tokens"].as_array();
    let listed = listed.and_then(|tokens| tokens.iter().find(|t| t["content"] == IMAGE_TOKEN));
    if let Some(token) = listed {
        return Ok(id(&token["id"]));
    }
    let config = read_json(&dir.join("tokenizer_config.json"))?;
    let decoder = config["added_tokens_decoder"].as_object();
    let mut decoder = decoder.into_iter().flatten();
    if let Some((id, _)) = decoder.find(|(_, token)| token["content"] == IMAGE_TOKEN) {
        return Ok(id.parse().ok());
    }
    Ok(id(&read_json(&dir.join("added_tokens.json"))?[IMAGE_TOKEN]))
}

/// A JSON file; null where there is none.
fn read_json(path: &Path) -> Result<Value, VlmError> {
    match dir::read_optional(path)? {
        Some(bytes) => dir::parse(&bytes, path),
        None => Ok(Value::Null),
    }
}

/// A key that may be left out, and has one value that is supported.
fn only(raw: &Value, key: &str, expected: &Value) -> Result<(), String> {
    match raw.get(key) {
        Some(found) if found != expected => Err(format!("{key} is {found}, expected {expected}")),
        _ => Ok(()),
    }
}

fn vision_of(
    original: bool,
    top: &TopFields,
    fields: VisionFields,
    out_hidden_size: usize,
) -> Result<VisionConfig, String> {
    let act = fields.hidden_act.as_deref().unwrap_or("gelu");
    let act = Activation::from_name(act).ok_or_else(|| {
        let expected = Activation::NAMES.join(", ");
        format!("vision_config.hidden_act is `{act}`, expected one of: {expected}")
    })?;
    // What the configuration class of either layout assumes: InternViT-6B, and InternViT-300M.
    let large = original;
    let norm = fields.norm_type.as_deref();
    let norm = match norm.unwrap_or(if large { "rms_norm" } else { "layer_norm" }) {
        "layer_norm" => NormKind::Layer,
        "rms_norm" => NormKind::Rms,
        other => {
            return Err(format!(
                "vision_config.norm_type is `{other}`, expected `layer_norm` or `rms_norm`"
            ));
        }
    };
    if fields.use_mean_pooling == Some(false) {
        return Err("vision_config.use_mean_pooling is false, expected true".into());
    }
    if fields.use_absolute_position_embeddings == Some(false) {
        let key = "vision_config.use_absolute_position_embeddings";
        return Err(format!("{key} is false, expected true"));
    }
    let image_size = fields.image_size.square("image_size")?;
    // Another size would need other position embeddings than the file holds.
    if let Some(found) = top.force_image_size.filter(|found| *found != image_size) {
        return Err(format!(
            "force_image_size is {found}, expected {image_size} as vision_config.image_size"
        ));
    }
    Ok(VisionConfig {
        depth: fields.num_hidden_layers,
        block: VisionBlockConfig {
            width: fields.hidden_size,
            heads: fields.num_attention_heads,
            inner: fields.intermediate_size,
            norm,
            eps: fields.layer_norm_eps.unwrap_or(1e-6),
            mlp: FeedForwardKind::Mlp(act),
            qkv_bias: fields.qkv_bias.unwrap_or(false),
            qk_norm: fields.qk_normalization.unwrap_or(large),
            layer_scale: true,
        },
        image_size,
        patch_size: fields.patch_size.square("patch_size")?,
        merge_size: top.merge_size()?,
        in_channels: fields.num_channels.unwrap_or(3),
        out_hidden_size,
    })
}

impl Side {
    fn square(&self, key: &str) -> Result<usize, String> {
        match *self {
            Self::Square(side) => Ok(side),
            Self::Pair([a, b]) if a == b => Ok(a),
            Self::Pair(pair) => Err(format!(
                "vision_config.{key} is {pair:?}, expected the same number twice"
            )),
        }
    }
}

impl VisionConfig {
    /// Side of a tile in patches.
    pub fn side(&self) -> usize {
        self.image_size / self.patch_size.max(1)
    }
}
