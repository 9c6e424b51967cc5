//! `config.json` of Qwen3-VL.

use super::keys;
use crate::{
    dir,
    models::{
        Architecture, KeyTables, Section, Tap,
        qwen2_vl::{
            self,
            config::{EPS, token_of, vision_theta},
        },
        qwen3,
    },
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

/// How many frequencies follow time, height and width where the file does not say it.
const MROPE_SECTION: [usize; 3] = [24, 20, 20];

/// Sizes of the vision tower.
#[derive(Debug, Clone, PartialEq)]
pub struct VisionConfig {
    /// What it shares with that of Qwen2-VL.
    pub base: qwen2_vl::VisionConfig,
    /// Rows and columns of the table of positions.
    pub position_side: usize,
    /// DeepStack: blocks whose output is also added to the decoder's hidden states.
    pub taps: Vec<Tap>,
}

#[derive(Deserialize)]
struct VisionFields {
    depth: usize,
    hidden_size: usize,
    num_heads: usize,
    intermediate_size: usize,
    out_hidden_size: usize,
    patch_size: usize,
    spatial_merge_size: usize,
    temporal_patch_size: usize,
    in_channels: usize,
    hidden_act: String,
    num_position_embeddings: usize,
    deepstack_visual_indexes: Vec<usize>,
}

/// Keys of its configuration.
static KEYS: LazyLock<KeyTables> =
    LazyLock::new(|| KeyTables::generated(include_str!("keys.json")));

/// The sections of the file with the tables of their keys.
pub(super) fn sections() -> Vec<Section> {
    vec![
        ("/text_config", KEYS.table("text")),
        ("/vision_config", KEYS.table("vision")),
        ("", KEYS.table("top")),
    ]
}

pub(super) fn read(raw: &Value) -> Result<Architecture, String> {
    let section = KEYS.table("text").filled(&raw["text_config"]);
    let mut text = qwen3::config::read(&section).map_err(|e| format!("text_config.{e}"))?;
    text.decoder.rope_scaling = interleaved(&section, text.decoder.rope_scaling)?;
    let top = KEYS.table("top").filled(raw);
    // Either place may say it.
    let tied = dir::flag(&top, "tie_word_embeddings")?;
    Ok(Architecture {
        tie_word_embeddings: tied == Some(true) || text.tie_word_embeddings == Some(true),
        ..Architecture::of_text(text, KeyMap::new(vec![("", keys::ROWS)]))
            .with_vision(vision(&raw["vision_config"])?, Some(token_of(&top)?))
    })
}

/// The frequencies of time, height and width take turns, whether the file says so or not.
fn interleaved(section: &Value, found: RopeScaling) -> Result<RopeScaling, String> {
    for key in ["rope_scaling", "rope_parameters"] {
        if section[key]["mrope_interleaved"] == false {
            return Err(format!(
                "text_config.{key}.mrope_interleaved is false, expected true"
            ));
        }
    }
    let (sections, base) = match found {
        RopeScaling::MRope { sections, base, .. } => (sections, base),
        RopeScaling::Dynamic { .. } => {
            return Err(
                "text_config has dynamic rotary positions, supported beside M-RoPE: \
                        default, linear, llama3, yarn"
                    .into(),
            );
        }
        other => (MROPE_SECTION, Box::new(other)),
    };
    Ok(RopeScaling::MRope {
        sections,
        interleaved: true,
        base,
    })
}

fn vision(section: &Value) -> Result<VisionConfig, String> {
    let section = KEYS.table("vision").filled(section);
    let fields: VisionFields = dir::fields(&section).map_err(|e| format!("vision_config.{e}"))?;
    let act = &fields.hidden_act;
    let act = Activation::from_name(act).ok_or_else(|| {
        let expected = Activation::NAMES.join(", ");
        format!("vision_config.hidden_act is `{act}`, expected one of: {expected}")
    })?;
    let positions = fields.num_position_embeddings;
    if positions != positions.isqrt().pow(2) {
        return Err(format!(
            "vision_config.num_position_embeddings is {positions}, expected a square number"
        ));
    }
    let taps = taps(&fields.deepstack_visual_indexes)?;
    Ok(VisionConfig {
        base: qwen2_vl::VisionConfig {
            depth: fields.depth,
            block: VisionBlockConfig {
                width: fields.hidden_size,
                heads: fields.num_heads,
                inner: fields.intermediate_size,
                norm: NormKind::Layer,
                eps: EPS,
                mlp: FeedForwardKind::Mlp(act),
                qkv_bias: true,
                qk_norm: false,
                layer_scale: false,
            },
            out_hidden_size: fields.out_hidden_size,
            patch_size: fields.patch_size,
            spatial_merge_size: fields.spatial_merge_size,
            temporal_patch_size: fields.temporal_patch_size,
            in_channels: fields.in_channels,
            windows: None,
            rope_theta: vision_theta(&section)?,
        },
        position_side: positions.isqrt(),
        taps,
    })
}

/// The first of the tapped blocks enters after the decoder's first block, and so on.
fn taps(blocks: &[usize]) -> Result<Vec<Tap>, String> {
    if !blocks.is_sorted_by(|a, b| a < b) {
        return Err(format!(
            "vision_config.deepstack_visual_indexes is {blocks:?}, expected ascending numbers"
        ));
    }
    let taps = blocks.iter().enumerate();
    Ok(taps.map(|(layer, &block)| Tap { block, layer }).collect())
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
                "/text_config/rope_parameters/mrope_interleaved",
                json!(false),
                "text_config.rope_parameters.mrope_interleaved is false, expected true",
            ),
            (
                "/vision_config/deepstack_visual_indexes",
                json!([3, 1]),
                "vision_config.deepstack_visual_indexes is [3, 1], expected ascending",
            ),
            (
                "/vision_config/deepstack_visual_indexes",
                json!([0, 1, 2, 3, 4]),
                "the vision tower has Tap { block: 4, layer: 4 }, expected one of its 4 blocks and \
                 one of the decoder's 4",
            ),
            (
                "/vision_config/num_position_embeddings",
                json!(37),
                "vision_config.num_position_embeddings is 37, expected a square",
            ),
            (
                "/vision_config/hidden_act",
                json!("relu"),
                "vision_config.hidden_act is `relu`, expected one of: gelu,",
            ),
            (
                "/text_config/hidden_act",
                json!("gelu"),
                "text_config.hidden_act is `gelu`",
            ),
        ] {
            let mut raw = golden();
            *raw.pointer_mut(at).unwrap() = value;
            let message = ModelConfig::from_json(&raw).unwrap_err();
            assert!(message.starts_with(expected), "{message}");
        }
    }

    /// What the classes of transformers assume (`keys.json`).
    #[test]
    fn what_is_left_out_is_assumed() {
        let mut raw = golden();
        raw["text_config"]["rope_parameters"] = json!(null);
        raw["text_config"]["head_dim"] = json!(128);
        let config = ModelConfig::from_json(&raw).unwrap();
        assert_eq!(config.text.rope_theta, 5e5);
        let expected = "MRope { sections: [24, 20, 20], interleaved: true, base: None }";
        assert_eq!(format!("{:?}", config.text.rope_scaling), expected);
        raw["text_config"]
            .as_object_mut()
            .unwrap()
            .remove("head_dim");
        assert_eq!(ModelConfig::from_json(&raw).unwrap().text.head_dim, 128);
    }
}
