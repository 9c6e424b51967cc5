//! Qwen3 ([arXiv:2505.09388](https://arxiv.org/abs/2505.09388)), dense: Llama whose heads of queries
//! and keys are normalised before they are rotated. Heads have a width of their own.

pub mod config;

use super::{Architecture, Families, KeyTable, ModelFamily, TextFamily, TextSection, llama};
use crate::weights::KeyRow;
use serde_json::Value;

/// The family.
#[derive(Debug, Clone, Copy)]
pub struct Qwen3;

impl ModelFamily for Qwen3 {
    fn model_types(&self) -> &[&'static str] {
        &["qwen3"]
    }

    fn read(&self, raw: &Value, _: &Families) -> Result<Architecture, String> {
        self.whole(raw)
    }

    fn text(&self) -> Option<&dyn TextFamily> {
        Some(self)
    }

    fn samples(&self) -> &[(&'static str, &'static str)] {
        &[("qwen3", include_str!("tiny.json"))]
    }
}

impl TextFamily for Qwen3 {
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
