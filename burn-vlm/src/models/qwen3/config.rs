//! The configuration of a Qwen3 decoder.

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
    read(&KEYS.table("text").filled(json))
}

/// Reads a section whose defaults are filled in.
pub(in crate::models) fn read(section: &Value) -> Result<TextSection, String> {
    let attention = dir::flag(section, "attention_bias")?.unwrap_or(false);
    let biases = Biases {
        qkv: attention,
        o: attention,
        mlp: false,
    };
    Ok(TextSection::read(section, biases)?.with_qk_norm())
}
