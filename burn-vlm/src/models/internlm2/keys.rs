//! Tensor names of InternLM2.
//!
//! `wqkv` holds, for each key-value head, the rows of its query heads, then of the key and of the
//! value: our three projections take turns, as often as there are key-value heads.

use crate::weights::KeyRow;

const fn row(ours: &'static [&'static str; 1], hub: &'static [&'static str; 1]) -> KeyRow {
    KeyRow::renamed(ours, hub)
}

/// The decoder and its head.
pub(in crate::models) const ROWS: &[KeyRow] = &[
    KeyRow {
        ours: &[
            "model.layers.*.self_attn.q_proj.",
            "model.layers.*.self_attn.k_proj.",
            "model.layers.*.self_attn.v_proj.",
        ],
        hub: &["model.layers.*.attention.wqkv."],
        newer: &[],
    },
    row(
        &["model.layers.*.self_attn.o_proj."],
        &["model.layers.*.attention.wo."],
    ),
    row(
        &["model.layers.*.input_layernorm."],
        &["model.layers.*.attention_norm."],
    ),
    row(
        &["model.layers.*.post_attention_layernorm."],
        &["model.layers.*.ffn_norm."],
    ),
    row(
        &["model.layers.*.mlp.gate_proj."],
        &["model.layers.*.feed_forward.w1."],
    ),
    row(
        &["model.layers.*.mlp.up_proj."],
        &["model.layers.*.feed_forward.w3."],
    ),
    row(
        &["model.layers.*.mlp.down_proj."],
        &["model.layers.*.feed_forward.w2."],
    ),
    row(&["model.embed_tokens."], &["model.tok_embeddings."]),
    row(&["model.norm."], &["model.norm."]),
    row(&["lm_head."], &["output."]),
];
