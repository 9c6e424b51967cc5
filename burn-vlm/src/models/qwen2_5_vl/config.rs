//! `config.json` of Qwen2.5-VL.

use crate::{
    dir,
    models::{
        Architecture, KeyTables,
        qwen2_vl::config::{EPS, VisionConfig, Windows, vision_theta, with_vision},
    },
    nn::{mlp::FeedForwardKind, norm::NormKind, vision::VisionBlockConfig},
};
use serde::Deserialize;
use serde_json::Value;
use std::sync::LazyLock;

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
    window_size: usize,
    fullatt_block_indexes: Vec<usize>,
    in_channels: usize,
    hidden_act: String,
}

/// Keys of its configuration.
pub(super) static KEYS: LazyLock<KeyTables> =
    LazyLock::new(|| KeyTables::generated(include_str!("keys.json")));

pub(in crate::models) fn read(raw: &Value) -> Result<Architecture, String> {
    let section = KEYS.table("vision").filled(&raw["vision_config"]);
    let fields: VisionFields = dir::fields(&section).map_err(|e| format!("vision_config.{e}"))?;
    if fields.hidden_act != "silu" {
        return Err(format!(
            "vision_config.hidden_act is `{}`, expected `silu`",
            fields.hidden_act
        ));
    }
    let vision = VisionConfig {
        depth: fields.depth,
        block: VisionBlockConfig {
            width: fields.hidden_size,
            heads: fields.num_heads,
            inner: fields.intermediate_size,
            norm: NormKind::Rms,
            eps: EPS,
            mlp: FeedForwardKind::SwiGlu,
            qkv_bias: true,
            qk_norm: false,
            layer_scale: false,
        },
        out_hidden_size: fields.out_hidden_size,
        patch_size: fields.patch_size,
        spatial_merge_size: fields.spatial_merge_size,
        temporal_patch_size: fields.temporal_patch_size,
        in_channels: fields.in_channels,
        windows: Some(Windows {
            size: fields.window_size,
            full_blocks: fields.fullatt_block_indexes,
        }),
        rope_theta: vision_theta(&section)?,
    };
    with_vision(raw, vision, &KEYS)
}
