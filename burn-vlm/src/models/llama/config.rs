//! The configuration of a Llama decoder.

use crate::models::{Biases, TextSection};
use serde_json::Value;

pub(in crate::models) fn section(json: &Value) -> Result<TextSection, String> {
    let flag = |key: &str| json[key].as_bool().unwrap_or(false);
    let attention = flag("attention_bias");
    let biases = Biases {
        qkv: attention,
        o: attention,
        mlp: flag("mlp_bias"),
    };
    TextSection::read(json, biases)
}
