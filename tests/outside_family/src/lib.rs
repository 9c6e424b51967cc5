//! A model family in a crate of its own: a Llama that sees pictures of 16 × 16 pixels through two
//! blocks of attention, of which the first is also added to the decoder's hidden states further up.

mod images;
mod tower;

use burn_vlm::{
    Families, VlmError,
    models::{Architecture, ImageProcessor, ModelFamily, TokenIds},
    text::ProcessorFiles,
    weights::{KeyMap, KeyRow},
};
use serde_json::Value;
use std::sync::Arc;

pub use images::Images;
pub use tower::{Tower, TowerConfig};

/// Ours, and the names in the files.
const KEYS: &[KeyRow] = &[
    KeyRow::renamed(&["visual."], &["eye."]),
    KeyRow::renamed(&["model."], &["text.model."]),
    KeyRow::renamed(&["lm_head."], &["text.lm_head."]),
];

/// The family.
#[derive(Debug, Clone, Copy)]
pub struct Toy;

impl ModelFamily for Toy {
    fn model_types(&self) -> &[&'static str] {
        &["toy_vl"]
    }

    fn title(&self) -> &'static str {
        "a toy model"
    }

    fn read(&self, raw: &Value, families: &Families) -> Result<Architecture, String> {
        let section = &raw["text_config"];
        let text = families.of_text(section, "text_config")?.section(section)?;
        let vision: TowerConfig = serde_json::from_value(raw["vision_config"].clone())
            .map_err(|e| format!("vision_config: {e}"))?;
        let token = raw["image_token_id"].as_u64();
        let token = token.and_then(|id| u32::try_from(id).ok());
        Ok(Architecture::of_text(text, KeyMap::new(vec![("", KEYS)])).with_vision(vision, token))
    }

    fn image_processor(
        &self,
        _: &ProcessorFiles,
        ids: &TokenIds<'_>,
    ) -> Result<Option<Arc<dyn ImageProcessor>>, VlmError> {
        Ok(Some(Arc::new(Images::read(ids)?)))
    }
}
