//! Llama ([arXiv:2302.13971](https://arxiv.org/abs/2302.13971)) and models of its shape, such as
//! SmolLM2: the decoder without any bias, unless the configuration asks for them.

pub mod config;
pub mod keys;

use super::{Architecture, Families, KeyTable, ModelFamily, TextFamily, TextSection};
use crate::weights::KeyRow;
use serde_json::Value;

/// The family.
#[derive(Debug, Clone, Copy)]
pub struct Llama;

impl ModelFamily for Llama {
    fn model_types(&self) -> &[&'static str] {
        &["llama"]
    }

    fn read(&self, raw: &Value, _: &Families) -> Result<Architecture, String> {
        self.whole(raw)
    }

    fn text(&self) -> Option<&dyn TextFamily> {
        Some(self)
    }
}

impl TextFamily for Llama {
    fn section(&self, json: &Value) -> Result<TextSection, String> {
        config::section(json)
    }

    fn keys(&self) -> &'static [KeyRow] {
        keys::ROWS
    }

    fn known_keys(&self) -> Option<&'static KeyTable> {
        Some(config::KEYS.table("text"))
    }
}
