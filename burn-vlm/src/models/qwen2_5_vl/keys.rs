//! Tensor names of the checkpoint: one table for reading and writing.

use super::Qwen2_5VlConfig;
use crate::weights::KeyMap;

/// (prefix in our module, prefix on the hub, prefix in newer files)
const PREFIXES: &[[&str; 3]] = &[
    [
        "visual.merger.fc1.",
        "visual.merger.mlp.0.",
        "model.visual.merger.mlp.0.",
    ],
    [
        "visual.merger.fc2.",
        "visual.merger.mlp.2.",
        "model.visual.merger.mlp.2.",
    ],
    ["visual.", "visual.", "model.visual."],
    ["model.", "model.", "model.language_model."],
    ["lm_head.", "lm_head.", "lm_head."],
];

/// The names of this family.
pub fn key_map(config: &Qwen2_5VlConfig) -> KeyMap {
    let v = &config.vision;
    KeyMap {
        prefixes: PREFIXES,
        // A convolution over whole patches is a linear layer; files keep its five dimensions.
        file_shapes: vec![(
            "visual.patch_embed.proj.weight".into(),
            vec![
                v.hidden_size,
                v.in_channels,
                v.temporal_patch_size,
                v.patch_size,
                v.patch_size,
            ],
        )],
        // Some exports repeat the tied head.
        ignored: if config.tie_word_embeddings {
            vec!["lm_head.weight".into()]
        } else {
            vec![]
        },
    }
}
