//! Tensor names of SmolVLM and Idefics3.

use crate::weights::KeyRow;

/// The whole model; the fused projection of the tower is cut in the files.
pub(in crate::models) const ROWS: &[KeyRow] = &[
    KeyRow {
        ours: &["visual.blocks.*.attn.qkv."],
        hub: &[
            "model.vision_model.encoder.layers.*.self_attn.q_proj.",
            "model.vision_model.encoder.layers.*.self_attn.k_proj.",
            "model.vision_model.encoder.layers.*.self_attn.v_proj.",
        ],
        newer: &[],
    },
    KeyRow::renamed(
        &["visual.blocks.*.attn.proj."],
        &["model.vision_model.encoder.layers.*.self_attn.out_proj."],
    ),
    KeyRow::renamed(
        &["visual.blocks.*.norm1."],
        &["model.vision_model.encoder.layers.*.layer_norm1."],
    ),
    KeyRow::renamed(
        &["visual.blocks.*.norm2."],
        &["model.vision_model.encoder.layers.*.layer_norm2."],
    ),
    KeyRow::renamed(&["visual.blocks."], &["model.vision_model.encoder.layers."]),
    KeyRow::renamed(
        &["visual.connector."],
        &["model.connector.modality_projection.proj."],
    ),
    KeyRow::renamed(&["visual."], &["model.vision_model."]),
    KeyRow::renamed(&["model."], &["model.text_model."]),
    KeyRow::renamed(&["lm_head."], &["lm_head."]),
];
