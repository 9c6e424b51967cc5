//! The configuration of a Qwen2 decoder.

use crate::models::{Biases, TextSection};
use serde_json::Value;

pub(in crate::models) fn section(json: &Value) -> Result<TextSection, String> {
    let biases = Biases {
        qkv: true,
        o: false,
        mlp: false,
    };
    TextSection::read(json, biases)
}
