//! Tensor names of Qwen3-VL.

use crate::weights::KeyRow;

/// The whole model.
pub(in crate::models) const ROWS: &[KeyRow] = &[
    KeyRow::renamed(
        &["visual.blocks.*.mlp.fc1."],
        &["model.visual.blocks.*.mlp.linear_fc1."],
    ),
    KeyRow::renamed(
        &["visual.blocks.*.mlp.fc2."],
        &["model.visual.blocks.*.mlp.linear_fc2."],
    ),
    KeyRow::renamed(&["visual."], &["model.visual."]),
    KeyRow::renamed(&["model."], &["model.language_model."]),
    KeyRow::renamed(&["lm_head."], &["lm_head."]),
];
