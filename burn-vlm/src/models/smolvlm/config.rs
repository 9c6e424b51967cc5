//! `config.json` of SmolVLM and Idefics3.

use super::keys;
use crate::{
    dir,
    models::{Architecture, Families, KeyTables, Section, qwen2_vl::config::token_of},
    nn::{
        mlp::{Activation, FeedForwardKind},
        norm::NormKind,
        vision::VisionBlockConfig,
    },
    weights::KeyMap,
};
use serde::Deserialize;
use serde_json::Value;
use std::sync::LazyLock;

/// Sizes of SigLIP and the connector.
#[derive(Debug, Clone, PartialEq)]
pub struct VisionConfig {
    /// Number of blocks.
    pub depth: usize,
    /// What the blocks are made of.
    pub block: VisionBlockConfig,
    /// Side of a tile in pixels; what is over after whole patches is not seen.
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

#[derive(Deserialize)]
struct VisionFields {
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_channels: usize,
    image_size: usize,
    patch_size: usize,
    hidden_act: String,
    layer_norm_eps: f64,
}

/// Keys of its configuration.
static KEYS: LazyLock<KeyTables> =
    LazyLock::new(|| KeyTables::generated(include_str!("keys.json")));

/// The section of the decoder, which is Llama where it says nothing else.
fn text_section(raw: &Value) -> Value {
    let mut section = raw["text_config"].clone();
    if section["model_type"].is_null() && section.is_object() {
        section["model_type"] = "llama".into();
    }
    section
}

/// The sections of the file with the tables of their keys.
pub(super) fn known_keys(raw: &Value, families: &Families) -> Vec<Section> {
    let decoder = families.of_text(&text_section(raw), "text_config").ok();
    let text = decoder.and_then(|decoder| decoder.known_keys());
    let text = text.map(|table| ("/text_config", table));
    let own = [
        ("/text_config", KEYS.table("text")),
        ("/vision_config", KEYS.table("vision")),
        ("", KEYS.table("top")),
    ];
    own.into_iter().chain(text).collect()
}

pub(super) fn read(raw: &Value, families: &Families) -> Result<Architecture, String> {
    let section = text_section(raw);
    let decoder = families.of_text(&section, "text_config")?;
    let in_text = |message| format!("text_config.{message}");
    let text = decoder.section(&section).map_err(in_text)?;
    let top = KEYS.table("top").filled(raw);
    let vision = vision(raw, text.decoder.hidden_size)?;
    let tied = dir::flag(&top, "tie_word_embeddings")?;
    Ok(Architecture {
        tie_word_embeddings: tied == Some(true),
        ..Architecture::of_text(text, KeyMap::new(vec![("", keys::ROWS)]))
            .with_vision(vision, Some(token_of(&top)?))
    })
}

/// The tower of a file, whose features are `out_hidden_size` wide.
pub(super) fn vision(raw: &Value, out_hidden_size: usize) -> Result<VisionConfig, String> {
    let section = KEYS.table("vision").filled(&raw["vision_config"]);
    let fields: VisionFields = dir::fields(&section).map_err(|e| format!("vision_config.{e}"))?;
    let act = &fields.hidden_act;
    let act = Activation::from_name(act).ok_or_else(|| {
        let expected = Activation::NAMES.join(", ");
        format!("vision_config.hidden_act is `{act}`, expected one of: {expected}")
    })?;
    let scale = &KEYS.table("top").filled(raw)["scale_factor"];
    let merge_size = scale.as_u64().and_then(|side| usize::try_from(side).ok());
    let merge_size = merge_size.ok_or_else(|| {
        format!("scale_factor is {scale}, expected the side of a group in patches")
    })?;
    Ok(VisionConfig {
        depth: fields.num_hidden_layers,
        block: VisionBlockConfig {
            width: fields.hidden_size,
            heads: fields.num_attention_heads,
            inner: fields.intermediate_size,
            norm: NormKind::Layer,
            eps: fields.layer_norm_eps,
            mlp: FeedForwardKind::Mlp(act),
            qkv_bias: true,
            qk_norm: false,
            layer_scale: false,
        },
        image_size: fields.image_size,
        patch_size: fields.patch_size,
        merge_size,
        in_channels: fields.num_channels,
        out_hidden_size,
    })
}

impl VisionConfig {
    /// Side of a tile in patches.
    pub fn side(&self) -> usize {
        self.image_size / self.patch_size.max(1)
    }
}

#[cfg(test)]
mod tests {
    use crate::ModelConfig;
    use serde_json::{Value, json};

    fn golden() -> Value {
        serde_json::from_str(include_str!("tiny.json")).unwrap()
    }

    #[test]
    fn what_is_not_supported_is_named() {
        for (at, value, expected) in [
            (
                "/scale_factor",
                json!(3),
                "vision_config.image_size / patch_size by scale_factor: 8 is not a multiple of 3",
            ),
            (
                "/scale_factor",
                json!(0),
                "scale_factor is 0, expected 1 to",
            ),
            (
                "/scale_factor",
                json!(null),
                "scale_factor is null, expected the side",
            ),
            (
                "/text_config/qk_layer_norms",
                json!(true),
                "text_config.qk_layer_norms is true, which is not supported, expected false",
            ),
            (
                "/text_config/use_resampler",
                json!(true),
                "text_config.use_resampler is true, which is not supported, expected false",
            ),
            (
                "/text_config/model_type",
                json!("mistral3"),
                "text_config.model_type is `mistral3`, supported: qwen2",
            ),
            (
                "/vision_config/hidden_act",
                json!("relu"),
                "vision_config.hidden_act is `relu`, expected one of: gelu,",
            ),
        ] {
            let mut raw = golden();
            let (section, key) = at.rsplit_once('/').unwrap();
            raw.pointer_mut(section).unwrap()[key] = value;
            let message = ModelConfig::from_json(&raw).unwrap_err();
            assert!(message.starts_with(expected), "{message}");
        }
    }

    /// Published files leave out what the class assumes.
    #[test]
    fn what_is_left_out_is_assumed() {
        let mut raw = golden();
        let mut without = |at: &str, key: &str| {
            raw.pointer_mut(at)
                .unwrap()
                .as_object_mut()
                .unwrap()
                .remove(key);
        };
        without("/vision_config", "intermediate_size");
        without("/vision_config", "num_hidden_layers");
        without("/text_config", "model_type");
        let config = ModelConfig::from_json(&raw).unwrap();
        let sizes = config.vision.unwrap().sizes();
        assert_eq!((sizes.inner, sizes.depth), (3072, 12));
    }
}
