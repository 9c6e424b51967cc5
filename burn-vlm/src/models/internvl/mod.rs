//! InternVL2.5 ([arXiv:2412.05271](https://arxiv.org/abs/2412.05271)), InternVL3
//! ([arXiv:2504.10479](https://arxiv.org/abs/2504.10479)) and InternVL3.5
//! ([arXiv:2508.18265](https://arxiv.org/abs/2508.18265)): square tiles of a picture through
//! InternViT, four patches shuffled into one, a two-layer projector, and InternLM2, Qwen2.5, Qwen3 or
//! Llama as the decoder. Checkpoints come in a layout of their own and in that of transformers;
//! both are read, and each is written as it came.

pub mod config;
pub mod keys;
pub mod processor;
pub mod tiling;
pub mod vision;

pub use config::VisionConfig;
pub use vision::VisionTower;

/// The token that an image feature replaces.
pub const IMAGE_TOKEN: &str = "<IMG_CONTEXT>";

use super::{Architecture, BoxUnits, Families, ImageProcessor, ModelFamily, Section, TokenIds};
use crate::{
    error::VlmError,
    text::{NamedTemplate, ProcessorFiles},
};
use serde_json::Value;
use std::{path::Path, sync::Arc};

/// The conversation template of InternVL 2.5's own code, with its system message where a
/// conversation has none.
const TEMPLATE: NamedTemplate = NamedTemplate {
    name: "internvl2_5",
    source: include_str!("internvl2_5.jinja"),
};

/// The family, in both layouts.
#[derive(Debug, Clone, Copy)]
pub struct InternVl;

impl ModelFamily for InternVl {
    fn model_types(&self) -> &[&'static str] {
        &[config::ORIGINAL, config::NATIVE]
    }

    fn box_units(&self) -> Option<BoxUnits> {
        Some(BoxUnits::Thousandths)
    }

    fn read(&self, raw: &Value, families: &Families) -> Result<Architecture, String> {
        config::read(raw, families)
    }

    fn known_keys(&self, raw: &Value, families: &Families) -> Vec<Section> {
        config::known_keys(raw, families)
    }

    fn title(&self) -> &'static str {
        "an InternVL model"
    }

    fn image_token_id(&self, dir: &Path) -> Result<Option<u32>, VlmError> {
        config::image_token(dir)
    }

    fn head_is_tied_by_files(&self) -> bool {
        true
    }

    fn image_processor(
        &self,
        files: &ProcessorFiles,
        ids: &TokenIds<'_>,
    ) -> Result<Option<Arc<dyn ImageProcessor>>, VlmError> {
        processor::Images::read(files, ids)
    }

    fn picture_limits(&self) -> &[&'static str] {
        &["min_tiles", "max_tiles"]
    }

    fn chat_templates(&self) -> &[NamedTemplate] {
        &[TEMPLATE]
    }

    /// The template of its tokenizer knows nothing of pictures.
    fn named_template<'a>(&self, config: &'a Value) -> Option<&'a str> {
        match config["model_type"] == config::ORIGINAL {
            true => config["template"].as_str(),
            false => None,
        }
    }

    fn turn_end(&self, config: &Value) -> Option<&'static str> {
        (config["template"] == TEMPLATE.name).then_some("<|im_end|>")
    }

    fn samples(&self) -> &[(&'static str, &'static str)] {
        &[
            ("internvl, internlm2", include_str!("tiny_internlm2.json")),
            ("internvl, qwen2", include_str!("tiny_qwen2.json")),
            ("internvl, qwen3", include_str!("tiny_qwen3.json")),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_named_conversation_ends_its_turns_whatever_the_files_say() {
        let config = json!({ "model_type": "internvl_chat", "template": "internvl2_5" });
        assert_eq!(InternVl.turn_end(&config), Some("<|im_end|>"));
        assert_eq!(InternVl.named_template(&config), Some("internvl2_5"));
        let other = json!({ "model_type": "internvl", "template": "Hermes-2" });
        assert_eq!(InternVl.turn_end(&other), None);
        assert_eq!(InternVl.named_template(&other), None);
    }
}
