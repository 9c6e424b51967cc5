//! Qwen2 ([arXiv:2407.10671](https://arxiv.org/abs/2407.10671)) and Qwen2.5, which is the same
//! architecture: Llama with biases on queries, keys and values.

pub mod config;

use super::{Architecture, Families, KeyTable, ModelFamily, TextFamily, TextSection, llama};
use crate::weights::KeyRow;
use serde_json::Value;

/// The family.
#[derive(Debug, Clone, Copy)]
pub struct Qwen2;

impl ModelFamily for Qwen2 {
    fn model_types(&self) -> &[&'static str] {
        &["qwen2"]
    }

    fn read(&self, raw: &Value, _: &Families) -> Result<Architecture, String> {
        self.whole(raw)
    }

    fn text(&self) -> Option<&dyn TextFamily> {
        Some(self)
    }

    fn samples(&self) -> &[(&'static str, &'static str)] {
        &[("qwen2", include_str!("tiny.json"))]
    }
}

impl TextFamily for Qwen2 {
    fn section(&self, json: &Value) -> Result<TextSection, String> {
        config::section(json)
    }

    fn keys(&self) -> &'static [KeyRow] {
        llama::keys::ROWS
    }

    fn known_keys(&self) -> Option<&'static KeyTable> {
        Some(config::KEYS.table("text"))
    }
}
