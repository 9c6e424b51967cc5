//! The configuration of a Llama decoder.

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
    let attention = dir::flag(json, "attention_bias")?.unwrap_or(false);
    let biases = Biases {
        qkv: attention,
        o: attention,
        mlp: dir::flag(json, "mlp_bias")?.unwrap_or(false),
    };
    TextSection::read(&KEYS.table("text").filled(json), biases)
}
