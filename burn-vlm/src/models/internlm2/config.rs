//! The configuration of an InternLM2 decoder.

use crate::models::{Biases, TextSection};
use serde_json::Value;

pub(in crate::models) fn section(json: &Value) -> Result<TextSection, String> {
    // True where the file does not say, as in the configuration class of the checkpoints.
    let attention = json["bias"].as_bool().unwrap_or(true);
    let biases = Biases {
        qkv: attention,
        o: attention,
        mlp: false,
    };
    TextSection::read(json, biases)
}
