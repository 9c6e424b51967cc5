//! Tensor names of Llama, Qwen2 and Qwen3, which are those of our module.

use crate::weights::KeyRow;

/// The decoder and its head.
pub(in crate::models) const ROWS: &[KeyRow] = &[
    KeyRow::renamed(&["model."], &["model."]),
    KeyRow::renamed(&["lm_head."], &["lm_head."]),
];
