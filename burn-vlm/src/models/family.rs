//! Which architecture a `config.json` names.

use super::{
    ModelConfig,
    decoder::{TextSection, whole},
    internlm2, internvl, llama, qwen2, qwen2_5_vl, qwen2_vl,
};
use crate::weights::KeyRow;
use serde_json::Value;

/// The architectures that are supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Family {
    /// Qwen2 and Qwen2.5, which only read text.
    Qwen2,
    /// Llama, which only reads text.
    Llama,
    /// InternLM2, which only reads text.
    InternLm2,
    /// Qwen2-VL.
    Qwen2Vl,
    /// Qwen2.5-VL.
    Qwen2_5Vl,
    /// InternVL in the layout of its own files.
    InternVlChat,
    /// InternVL in the layout of transformers.
    InternVl,
}

impl Family {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Qwen2,
        Self::Llama,
        Self::InternLm2,
        Self::Qwen2Vl,
        Self::Qwen2_5Vl,
        Self::InternVlChat,
        Self::InternVl,
    ];

    /// `model_type` in `config.json`.
    pub fn model_type(self) -> &'static str {
        match self {
            Self::Qwen2 => "qwen2",
            Self::Llama => "llama",
            Self::InternLm2 => "internlm2",
            Self::Qwen2Vl => "qwen2_vl",
            Self::Qwen2_5Vl => "qwen2_5_vl",
            Self::InternVlChat => "internvl_chat",
            Self::InternVl => "internvl",
        }
    }

    /// The family that a parsed `config.json` names.
    ///
    /// # Errors
    /// One that is not supported; the message lists those that are.
    pub fn of(raw: &Value) -> Result<Self, String> {
        let found = raw["model_type"].as_str().unwrap_or("none");
        Self::named(found, Self::ALL)
            .map_err(|supported| format!("model_type is `{found}`, supported: {supported}"))
    }

    /// The one of `choice` that is called `name`; else their names.
    fn named(name: &str, choice: &[Self]) -> Result<Self, String> {
        let family = choice.iter().find(|family| family.model_type() == name);
        family.copied().ok_or_else(|| {
            let names: Vec<_> = choice.iter().map(|family| family.model_type()).collect();
            names.join(", ")
        })
    }

    /// The family of the text decoder that a section of a `config.json` describes.
    pub(super) fn of_text(json: &Value, key: &str) -> Result<Self, String> {
        const TEXT: &[Family] = &[Family::Qwen2, Family::Llama, Family::InternLm2];
        let found = json["model_type"].as_str().unwrap_or("none");
        Self::named(found, TEXT)
            .map_err(|supported| format!("{key}.model_type is `{found}`, supported: {supported}"))
    }

    /// Reads the section of a text decoder.
    pub(super) fn text_section(self, json: &Value) -> Result<TextSection, String> {
        match self {
            Self::Llama => llama::config::section(json),
            Self::InternLm2 => internlm2::config::section(json),
            _ => qwen2::config::section(json),
        }
    }

    pub(super) fn read(self, raw: &Value) -> Result<ModelConfig, String> {
        match self {
            Self::Qwen2 | Self::Llama | Self::InternLm2 => {
                Ok(whole(self, self.text_section(raw)?, raw))
            }
            Self::Qwen2Vl => qwen2_vl::config::read(raw),
            Self::Qwen2_5Vl => qwen2_5_vl::config::read(raw),
            Self::InternVlChat | Self::InternVl => internvl::config::read(self, raw),
        }
    }

    /// Names of the modules in transformers, whose layout a checkpoint may not have: its adapters
    /// are called so.
    pub(super) fn module_tables(self, raw: &Value) -> Vec<(&'static str, &'static [KeyRow])> {
        match self {
            Self::InternLm2 => vec![("", llama::keys::ROWS)],
            Self::InternVlChat => vec![("", internvl::keys::NATIVE)],
            _ => self.tables(raw),
        }
    }

    /// Tensor names: what comes before the hub's names of a table, and the table.
    pub(super) fn tables(self, raw: &Value) -> Vec<(&'static str, &'static [KeyRow])> {
        match self {
            Self::Qwen2 | Self::Llama => vec![("", llama::keys::ROWS)],
            Self::InternLm2 => vec![("", internlm2::keys::ROWS)],
            Self::Qwen2Vl | Self::Qwen2_5Vl => vec![("", qwen2_vl::keys::ROWS)],
            Self::InternVl => vec![("", internvl::keys::NATIVE)],
            Self::InternVlChat => {
                let text = Self::of_text(&raw["llm_config"], "llm_config");
                let text = match text {
                    Ok(Self::InternLm2) => internlm2::keys::ROWS,
                    _ => llama::keys::ROWS,
                };
                vec![("", internvl::keys::ORIGINAL), ("language_model.", text)]
            }
        }
    }
}
