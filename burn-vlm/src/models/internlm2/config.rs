//! The configuration of an InternLM2 decoder.

use crate::{
    dir,
    models::{Biases, KeyTables, TextSection},
};
use serde_json::Value;
use std::sync::LazyLock;

/// Keys of its configuration.
pub(in crate::models) static KEYS: LazyLock<KeyTables> =
    LazyLock::new(|| KeyTables::generated(include_str!("keys.json")));

pub(in crate::models) fn section(json: &Value) -> Result<TextSection, String> {
    // True where the file does not say, as in the configuration class of the checkpoints.
    let attention = dir::flag(json, "bias")?.unwrap_or(true);
    let biases = Biases {
        qkv: attention,
        o: attention,
        mlp: false,
    };
    TextSection::read(&KEYS.table("text").filled(json), biases)
}
