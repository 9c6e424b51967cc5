//! Tensor names of Qwen2-VL and Qwen2.5-VL.

use crate::weights::KeyRow;

/// (ours, the hub's, newer files')
const fn row(
    ours: &'static [&'static str; 1],
    hub: &'static [&'static str; 1],
    newer: &'static [&'static str; 1],
) -> KeyRow {
    KeyRow { ours, hub, newer }
}

/// The whole model.
pub(in crate::models) const ROWS: &[KeyRow] = &[
    row(
        &["visual.merger.fc1."],
        &["visual.merger.mlp.0."],
        &["model.visual.merger.mlp.0."],
    ),
    row(
        &["visual.merger.fc2."],
        &["visual.merger.mlp.2."],
        &["model.visual.merger.mlp.2."],
    ),
    row(&["visual."], &["visual."], &["model.visual."]),
    row(&["model."], &["model."], &["model.language_model."]),
    row(&["lm_head."], &["lm_head."], &["lm_head."]),
];
