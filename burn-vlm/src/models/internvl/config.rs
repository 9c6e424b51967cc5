//! `config.json` of InternVL in both layouts.

use super::IMAGE_TOKEN;
use crate::{
    error::VlmError,
    models::{Family, ModelConfig, VisionSizes},
    nn::{
        mlp::{Activation, FeedForwardKind},
        norm::NormKind,
        vision::VisionBlockConfig,
    },
    precision::Compute,
};
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

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

/// One number, or one for each direction.
#[derive(Deserialize)]
#[serde(untagged)]
enum Side {
    Square(usize),
    Pair([usize; 2]),
}

pub(in crate::models) fn read(family: Family, raw: &Value) -> Result<ModelConfig, String> {
    let key = match family {
        Family::InternVlChat => "llm_config",
        _ => "text_config",
    };
    let section = &raw[key];
    let text = Family::of_text(section, key)?.text_section(section)?;
    only(raw, "select_layer", &Value::from(-1))?;
    only(raw, "vision_feature_layer", &Value::from(-1))?;
    only(raw, "vision_feature_select_strategy", &"default".into())?;
    only(raw, "projector_hidden_act", &"gelu".into())?;
    if family == Family::InternVlChat {
        only(raw, "ps_version", &"v2".into())?;
    }
    let tied = raw["tie_word_embeddings"].as_bool();
    let tied = match family {
        Family::InternVlChat => text.tie_word_embeddings,
        _ => tied.or(text.tie_word_embeddings),
    };
    let vision = vision(family, raw, text.decoder.hidden_size)?;
    let image_token = ["img_context_token_id", "image_token_id"];
    let image_token = image_token.iter().find_map(|key| raw[*key].as_u64());
    Ok(ModelConfig {
        family,
        tie_word_embeddings: tied.unwrap_or(false),
        text: text.decoder,
        vision: Some(crate::models::VisionConfig::InternVit(vision)),
        image_token_id: image_token.and_then(|id| u32::try_from(id).ok()),
        max_position_embeddings: text.max_position_embeddings,
        initializer_range: text.initializer_range,
        compute: Compute::default(),
        raw: raw.clone(),
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
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| VlmError::config(path, format!("not JSON: {error}"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Value::Null),
        Err(error) => Err(VlmError::io(path, error)),
    }
}

/// A key that may be left out, and has one value that is supported.
fn only(raw: &Value, key: &str, expected: &Value) -> Result<(), String> {
    match raw.get(key) {
        Some(found) if found != expected => Err(format!("{key} is {found}, expected {expected}")),
        _ => Ok(()),
    }
}

fn vision(family: Family, raw: &Value, out_hidden_size: usize) -> Result<VisionConfig, String> {
    let fields: VisionFields = serde_json::from_value(raw["vision_config"].clone())
        .map_err(|e| format!("vision_config: {e}"))?;
    let act = fields.hidden_act.as_deref().unwrap_or("gelu");
    let act = Activation::from_name(act).ok_or_else(|| {
        format!("vision_config.hidden_act is `{act}`, expected `gelu` or `quick_gelu`")
    })?;
    // What the configuration class of either layout assumes: InternViT-6B, and InternViT-300M.
    let large = family == Family::InternVlChat;
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
    let ratio = raw["downsample_ratio"].as_f64().unwrap_or(0.5);
    if ratio <= 0.0 || (1.0 / ratio).fract() != 0.0 {
        return Err(format!(
            "downsample_ratio is {ratio}, expected one over a whole number"
        ));
    }
    let image_size = fields.image_size.square("image_size")?;
    // Another size would need other position embeddings than the file holds.
    match raw["force_image_size"].as_u64() {
        Some(found) if found != image_size as u64 => {
            return Err(format!(
                "force_image_size is {found}, expected {image_size} as vision_config.image_size"
            ));
        }
        _ => {}
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
        merge_size: (1.0 / ratio) as usize,
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

    /// What all towers have.
    pub fn sizes(&self) -> VisionSizes {
        VisionSizes {
            depth: self.depth,
            width: self.block.width,
            heads: self.block.heads,
            inner: self.block.inner,
            patch_len: self.in_channels * self.patch_size.pow(2),
            patch_size: self.patch_size,
            merge_size: self.merge_size,
            temporal_patch_size: 1,
        }
    }

    /// A convolution over whole patches is a linear layer; files keep its four dimensions, and the
    /// batch dimension of what is added to every tile.
    pub(in crate::models) fn file_shapes(&self) -> Vec<(String, Vec<usize>)> {
        let (e, p) = (self.block.width, self.patch_size);
        let at = |name: &str| format!("visual.embeddings.{name}");
        vec![
            (
                at("patch_embedding.weight"),
                vec![e, self.in_channels, p, p],
            ),
            (at("class_embedding"), vec![1, 1, e]),
            (at("position_embedding"), vec![1, 1 + self.side().pow(2), e]),
        ]
    }

    pub(in crate::models) fn check(&self) -> Result<(), String> {
        let divides = |what: &str, a: usize, b: usize| match b != 0 && a.is_multiple_of(b) {
            true => Ok(()),
            false => Err(format!("{what}: {a} is not a multiple of {b}")),
        };
        let (width, heads) = (self.block.width, self.block.heads);
        divides(
            "vision_config.hidden_size by num_attention_heads",
            width,
            heads,
        )?;
        divides(
            "vision_config.image_size by patch_size / downsample_ratio",
            self.image_size,
            self.patch_size * self.merge_size,
        )
    }
}
