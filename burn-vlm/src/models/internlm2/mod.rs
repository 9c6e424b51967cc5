//! InternLM2 ([arXiv:2403.17297](https://arxiv.org/abs/2403.17297)): the Llama decoder under other
//! names, with queries, keys and values in one tensor.

pub mod config;
pub mod keys;

use super::{Architecture, Families, KeyTable, ModelFamily, TextFamily, TextSection, llama};
use crate::weights::{KeyMap, KeyRow};
use serde_json::Value;

/// The family.
#[derive(Debug, Clone, Copy)]
pub struct InternLm2;

impl ModelFamily for InternLm2 {
    fn model_types(&self) -> &[&'static str] {
        &["internlm2"]
    }

    fn read(&self, raw: &Value, _: &Families) -> Result<Architecture, String> {
        Ok(Architecture {
            // transformers has the module of Llama for it.
            module_keys: Some(KeyMap::new(vec![("", llama::keys::ROWS)])),
            ..self.whole(raw)?
        })
    }

    fn text(&self) -> Option<&dyn TextFamily> {
        Some(self)
    }

    fn samples(&self) -> &[(&'static str, &'static str)] {
        &[("internlm2", include_str!("tiny.json"))]
    }
}

impl TextFamily for InternLm2 {
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
