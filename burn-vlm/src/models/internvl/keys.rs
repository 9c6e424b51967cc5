//! Tensor names of InternVL in both layouts.

use crate::weights::KeyRow;

const fn row(ours: &'static [&'static str; 1], hub: &'static [&'static str; 1]) -> KeyRow {
    KeyRow::renamed(ours, hub)
}

/// (ours, the hub's, newer files')
const fn both(
    ours: &'static [&'static str; 1],
    hub: &'static [&'static str; 1],
    newer: &'static [&'static str; 1],
) -> KeyRow {
    KeyRow { ours, hub, newer }
}

/// Tower and projector in the layout of `InternVLChatModel`. The decoder's names follow
/// `language_model.`
pub(in crate::models) const ORIGINAL: &[KeyRow] = &[
    row(&["visual.blocks."], &["vision_model.encoder.layers."]),
    row(&["visual.embeddings."], &["vision_model.embeddings."]),
    row(&["visual.projector.norm."], &["mlp1.0."]),
    row(&["visual.projector.fc1."], &["mlp1.1."]),
    row(&["visual.projector.fc2."], &["mlp1.3."]),
];

/// The whole model in the layout of transformers, which cuts the vision tower's fused projection.
pub(in crate::models) const NATIVE: &[KeyRow] = &[
    KeyRow {
        ours: &["visual.blocks.*.attn.qkv."],
        hub: &[
            "vision_tower.encoder.layer.*.attention.q_proj.",
            "vision_tower.encoder.layer.*.attention.k_proj.",
            "vision_tower.encoder.layer.*.attention.v_proj.",
        ],
        newer: &[
            "model.vision_tower.encoder.layer.*.attention.q_proj.",
            "model.vision_tower.encoder.layer.*.attention.k_proj.",
            "model.vision_tower.encoder.layer.*.attention.v_proj.",
        ],
    },
    both(
        &["visual.blocks.*.attn.proj."],
        &["vision_tower.encoder.layer.*.attention.projection_layer."],
        &["model.vision_tower.encoder.layer.*.attention.projection_layer."],
    ),
    both(
        &["visual.blocks.*.attn."],
        &["vision_tower.encoder.layer.*.attention."],
        &["model.vision_tower.encoder.layer.*.attention."],
    ),
    both(
        &["visual.blocks.*.norm1."],
        &["vision_tower.encoder.layer.*.layernorm_before."],
        &["model.vision_tower.encoder.layer.*.layernorm_before."],
    ),
    both(
        &["visual.blocks.*.norm2."],
        &["vision_tower.encoder.layer.*.layernorm_after."],
        &["model.vision_tower.encoder.layer.*.layernorm_after."],
    ),
    both(
        &["visual.blocks.*.ls1"],
        &["vision_tower.encoder.layer.*.lambda_1"],
        &["model.vision_tower.encoder.layer.*.lambda_1"],
    ),
    both(
        &["visual.blocks.*.ls2"],
        &["vision_tower.encoder.layer.*.lambda_2"],
        &["model.vision_tower.encoder.layer.*.lambda_2"],
    ),
    both(
        &["visual.blocks."],
        &["vision_tower.encoder.layer."],
        &["model.vision_tower.encoder.layer."],
    ),
    both(
        &["visual.embeddings.class_embedding"],
        &["vision_tower.embeddings.cls_token"],
        &["model.vision_tower.embeddings.cls_token"],
    ),
    both(
        &["visual.embeddings.position_embedding"],
        &["vision_tower.embeddings.position_embeddings"],
        &["model.vision_tower.embeddings.position_embeddings"],
    ),
    both(
        &["visual.embeddings.patch_embedding."],
        &["vision_tower.embeddings.patch_embeddings.projection."],
        &["model.vision_tower.embeddings.patch_embeddings.projection."],
    ),
    both(
        &["visual.projector.norm."],
        &["multi_modal_projector.layer_norm."],
        &["model.multi_modal_projector.layer_norm."],
    ),
    both(
        &["visual.projector.fc1."],
        &["multi_modal_projector.linear_1."],
        &["model.multi_modal_projector.linear_1."],
    ),
    both(
        &["visual.projector.fc2."],
        &["multi_modal_projector.linear_2."],
        &["model.multi_modal_projector.linear_2."],
    ),
    both(
        &["model."],
        &["language_model.model."],
        &["model.language_model."],
    ),
    both(&["lm_head."], &["language_model.lm_head."], &["lm_head."]),
];
