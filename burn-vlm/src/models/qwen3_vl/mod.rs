//! Qwen3-VL ([arXiv:2511.21631](https://arxiv.org/abs/2511.21631)), dense: patches of 16 pixels with
//! learned positions that are resampled for each picture, no windows, a Qwen3 decoder with
//! interleaved M-RoPE, and DeepStack ([arXiv:2406.04334](https://arxiv.org/abs/2406.04334)): what
//! some blocks of the tower wrote is added after the decoder's first blocks.

pub mod config;
pub mod keys;
mod positions;
pub mod vision;

pub use config::VisionConfig;
pub use vision::VisionTower;

use super::{
    Architecture, BoxUnits, Families, ImageProcessor, ModelConfig, ModelFamily, Section, TokenIds,
    qwen2_vl::{LIMITS, TITLE, processor::Images, text::positions_of},
};
use crate::{error::VlmError, nn::Position, text::ProcessorFiles};
use serde_json::Value;
use std::sync::Arc;

/// The family.
#[derive(Debug, Clone, Copy)]
pub struct Qwen3Vl;

impl ModelFamily for Qwen3Vl {
    fn model_types(&self) -> &[&'static str] {
        &["qwen3_vl"]
    }

    fn box_units(&self) -> Option<BoxUnits> {
        Some(BoxUnits::Thousandths)
    }

    fn read(&self, raw: &Value, _: &Families) -> Result<Architecture, String> {
        config::read(raw)
    }

    fn known_keys(&self, _: &Value, _: &Families) -> Vec<Section> {
        config::sections()
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
        &[("qwen3-vl", include_str!("tiny.json"))]
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        image::golden::{self, Numbers},
        models::qwen2_vl::processor::ImageConfig,
    };
    use serde_json::json;

    /// What its `preprocessor_config.json` says, with smaller areas.
    #[test]
    fn pictures_are_cut_as_transformers_cuts_them() {
        let config = json!({"size": {"shortest_edge": 4096, "longest_edge": 20_480}, "patch_size": 16,
            "temporal_patch_size": 2, "merge_size": 2, "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5], "image_processor_type": "Qwen2VLImageProcessorFast"});
        let config = ImageConfig::from_json(config).unwrap();
        let expected = Numbers::open("qwen3_vl.safetensors");
        for name in golden::PNGS {
            let found = config.patches(&golden::picture(name)).unwrap();
            let grid = expected.tensor(&format!("{name}/grid_thw")).i64s();
            assert_eq!(found.grid.map(|side| side as i64), grid[..], "{name}");
            assert_eq!(found.patch_len(), 1536);
            let sums = expected.tensor(&format!("{name}/pixel_values_sum")).f64s();
            assert_eq!(found.num_patches(), sums.len());
            for (patch, sum) in found.patches.chunks(1536).zip(sums) {
                let total: f64 = patch.iter().map(|v| f64::from(*v)).sum();
                assert!(
                    (total - sum).abs() < 1e-3,
                    "{name}: {total} instead of {sum}"
                );
            }
        }
    }
}
