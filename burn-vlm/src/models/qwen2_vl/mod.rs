//! Qwen2-VL ([arXiv:2409.12191](https://arxiv.org/abs/2409.12191)): a vision transformer with 2-D
//! rotary positions, a 2×2 merger, and a Qwen2 decoder with three-part rotary positions (M-RoPE).
//! Qwen2.5-VL is built from the same parts.

pub mod config;
pub mod keys;
mod plan;
pub mod processor;
pub mod text;
pub mod vision;

pub use config::{VisionConfig, Windows};
pub use vision::VisionTower;

use super::{
    Architecture, BoxUnits, Families, ImageProcessor, ModelConfig, ModelFamily, Section, TokenIds,
};
use crate::{error::VlmError, nn::Position, text::ProcessorFiles};
use serde_json::Value;
use std::sync::Arc;

/// What users call a model of this family or of one built from its parts.
pub(in crate::models) const TITLE: &str = "a Qwen-VL model";

/// The limits that its picture processing takes.
pub(in crate::models) const LIMITS: &[&str] = &["min_pixels", "max_pixels"];

/// The family.
#[derive(Debug, Clone, Copy)]
pub struct Qwen2Vl;

impl ModelFamily for Qwen2Vl {
    fn model_types(&self) -> &[&'static str] {
        &["qwen2_vl"]
    }

    fn box_units(&self) -> Option<BoxUnits> {
        Some(BoxUnits::Thousandths)
    }

    fn read(&self, raw: &Value, _: &Families) -> Result<Architecture, String> {
        config::read(raw)
    }

    fn known_keys(&self, raw: &Value, _: &Families) -> Vec<Section> {
        config::sections(raw, &config::KEYS)
    }

    fn title(&self) -> &'static str {
        TITLE
    }

    fn positions(
        &self,
        config: &ModelConfig,
        tokens: &[u32],
        grids: &[[usize; 3]],
    ) -> (Vec<Position>, u32) {
        text::positions_of(config, tokens, grids)
    }

    fn image_processor(
        &self,
        files: &ProcessorFiles,
        ids: &TokenIds<'_>,
    ) -> Result<Option<Arc<dyn ImageProcessor>>, VlmError> {
        processor::Images::read(files, ids)
    }

    fn picture_limits(&self) -> &[&'static str] {
        LIMITS
    }

    fn is_assumed(&self) -> bool {
        true
    }

    fn samples(&self) -> &[(&'static str, &'static str)] {
        &[("qwen2-vl", include_str!("tiny.json"))]
    }
}
