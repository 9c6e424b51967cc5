//! The configuration of a Llama decoder.

use crate::models::{Biases, KeyTables, TextSection};
use serde_json::Value;
use std::sync::LazyLock;

/// Keys of its configuration.
pub(in crate::models) static KEYS: LazyLock<KeyTables> =
    LazyLock::new(|| KeyTables::parse(include_str!("keys.json")));

pub(in crate::models) fn section(json: &Value) -> Result<TextSection, String> {
    let flag = |key: &str| match &json[key] {
        Value::Null => Ok(false),
        Value::Bool(flag) => Ok(*flag),
        other => Err(format!("{key} is {other}, expected true or false")),
    };
    let attention = flag("attention_bias")?;
    let biases = Biases {
        qkv: attention,
        o: attention,
        mlp: flag("mlp_bias")?,
    };
    TextSection::read(&KEYS.table("text").filled(json), biases)
}
