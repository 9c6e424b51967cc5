//! Tensor names of the checkpoint: one table for reading and writing.

use crate::{
    models::{ModelConfig, VisionConfig},
    weights::KeyMap,
};

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

/// The names of both Qwen-VL families.
pub(in crate::models) fn key_map(config: &ModelConfig) -> KeyMap {
    let mut file_shapes = vec![];
    if let Some(VisionConfig::Qwen(vision)) = &config.vision {
        // A convolution over whole patches is a linear layer; files keep its five dimensions.
        let (frames, side) = (vision.temporal_patch_size, vision.patch_size);
        file_shapes.push((
            "visual.patch_embed.proj.weight".into(),
            vec![vision.block.width, vision.in_channels, frames, side, side],
        ));
    }
    KeyMap {
        prefixes: PREFIXES,
        file_shapes,
        // Some exports repeat the tied head.
        ignored: if config.tie_word_embeddings {
            vec!["lm_head.weight".into()]
        } else {
            vec![]
        },
    }
}
