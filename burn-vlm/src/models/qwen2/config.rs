//! The configuration of a Qwen2 decoder.

use crate::models::{Biases, KeyTables, TextSection};
use serde_json::Value;
use std::sync::LazyLock;

/// Keys of its configuration.
pub(in crate::models) static KEYS: LazyLock<KeyTables> =
    LazyLock::new(|| KeyTables::generated(include_str!("keys.json")));

pub(in crate::models) fn section(json: &Value) -> Result<TextSection, String> {
    let biases = Biases {
        qkv: true,
        o: false,
        mlp: false,
    };
    TextSection::read(&KEYS.table("text").filled(json), biases)
}
