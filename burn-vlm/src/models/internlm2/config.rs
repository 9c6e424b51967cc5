//! The configuration of an InternLM2 decoder.

use crate::models::{Biases, KeyTables, TextSection};
use serde_json::Value;
use std::sync::LazyLock;

/// Keys of its configuration.
pub(in crate::models) static KEYS: LazyLock<KeyTables> =
    LazyLock::new(|| KeyTables::parse(include_str!("keys.json")));

pub(in crate::models) fn section(json: &Value) -> Result<TextSection, String> {
    // True where the file does not say, as in the configuration class of the checkpoints.
    let attention = match &json["bias"] {
        Value::Null => true,
        Value::Bool(flag) => *flag,
        other => return Err(format!("bias is {other}, expected true or false")),
    };
    let biases = Biases {
        qkv: attention,
        o: attention,
        mlp: false,
    };
    TextSection::read(&KEYS.table("text").filled(json), biases)
}
