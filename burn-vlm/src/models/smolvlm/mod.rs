//! SmolVLM and SmolVLM2 ([arXiv:2504.05299](https://arxiv.org/abs/2504.05299)), and Idefics3
//! ([arXiv:2408.12637](https://arxiv.org/abs/2408.12637)), whose architecture they have: square tiles of
//! a picture through SigLIP, 3×3 or 4×4 patches shuffled into one, one linear layer, and Llama as the
//! decoder. The text says in which row and column a tile was.

pub mod config;
pub mod keys;
pub mod processor;
pub mod tiling;
pub mod vision;

pub use config::VisionConfig;
pub use vision::VisionTower;

use super::{Architecture, Families, ImageProcessor, ModelFamily, Section, TokenIds};
use crate::{error::VlmError, text::ProcessorFiles};
use serde_json::Value;
use std::sync::Arc;

/// The family.
#[derive(Debug, Clone, Copy)]
pub struct SmolVlm;

impl ModelFamily for SmolVlm {
    fn model_types(&self) -> &[&'static str] {
        &["smolvlm", "idefics3"]
    }

    fn read(&self, raw: &Value, families: &Families) -> Result<Architecture, String> {
        config::read(raw, families)
    }

    fn known_keys(&self, raw: &Value, families: &Families) -> Vec<Section> {
        config::known_keys(raw, families)
    }

    fn title(&self) -> &'static str {
        "a SmolVLM model"
    }

    fn image_processor(
        &self,
        files: &ProcessorFiles,
        ids: &TokenIds<'_>,
    ) -> Result<Option<Arc<dyn ImageProcessor>>, VlmError> {
        processor::Images::read(files, ids)
    }

    fn samples(&self) -> &[(&'static str, &'static str)] {
        &[("smolvlm", include_str!("tiny.json"))]
    }
}
