//! Qwen2.5-VL ([arXiv:2502.13923](https://arxiv.org/abs/2502.13923)): [Qwen2-VL](super::qwen2_vl)
//! with RMSNorm, SwiGLU and windowed attention in the vision transformer.

pub mod config;

use super::{
    Architecture, BoxUnits, Families, ImageProcessor, ModelConfig, ModelFamily, Section, TokenIds,
    qwen2_vl::{LIMITS, TITLE, config::sections, processor::Images, text::positions_of},
};
use crate::{error::VlmError, nn::Position, text::ProcessorFiles};
use serde_json::Value;
use std::sync::Arc;

/// The family.
#[derive(Debug, Clone, Copy)]
pub struct Qwen2_5Vl;

impl ModelFamily for Qwen2_5Vl {
    fn model_types(&self) -> &[&'static str] {
        &["qwen2_5_vl"]
    }

    fn box_units(&self) -> Option<BoxUnits> {
        Some(BoxUnits::ResizedPixels)
    }

    fn read(&self, raw: &Value, _: &Families) -> Result<Architecture, String> {
        config::read(raw)
    }

    fn known_keys(&self, raw: &Value, _: &Families) -> Vec<Section> {
        sections(raw, &config::KEYS)
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
        positions_of(config, tokens, grids)
    }

    fn image_processor(
        &self,
        files: &ProcessorFiles,
        ids: &TokenIds<'_>,
    ) -> Result<Option<Arc<dyn ImageProcessor>>, VlmError> {
        Images::read(files, ids)
    }

    fn picture_limits(&self) -> &[&'static str] {
        LIMITS
    }

    fn samples(&self) -> &[(&'static str, &'static str)] {
        &[("qwen2.5-vl", include_str!("tiny.json"))]
    }
}
