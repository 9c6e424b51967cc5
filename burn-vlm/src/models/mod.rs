//! One folder a model family, which holds everything that is the family's own: configuration,
//! tensor names, vision tower, positions, picture processing, chat templates.
//!
//! What is here is what they share. [`ModelFamily`] is the seam: a family is added by a folder and
//! a line in this file, or by another crate with [`Families::with`].

mod check;
mod config;
mod decoder;
mod family;
mod images;
mod known;
mod module;
mod relatives;
mod rope;
mod section;
mod tower;
mod vision;

pub mod internlm2;
pub mod internvl;
pub mod llama;
pub mod qwen2;
pub mod qwen2_5_vl;
pub mod qwen2_vl;
pub mod qwen3;
pub mod qwen3_vl;
pub mod smolvlm;

pub use decoder::{Biases, TextSection};
pub use family::{Architecture, BoxUnits, Families, ModelConfig, ModelFamily, TextFamily};
pub use images::{ImageProcessor, PictureLimits, Shown, TokenIds, expand_each};
pub use known::{KeyTable, KeyTables, Section};
pub use section::{bicubic_only, check_all_steps, check_statistics, image_section};
pub use tower::{Tap, VisionTower};
pub use vision::{Vision, VisionConfig, VisionFeatures, VisionSizes};

use std::sync::Arc;

impl Default for Families {
    /// Those of this crate.
    fn default() -> Self {
        Self::new(vec![
            Arc::new(qwen2::Qwen2),
            Arc::new(qwen3::Qwen3),
            Arc::new(llama::Llama),
            Arc::new(internlm2::InternLm2),
            Arc::new(qwen2_vl::Qwen2Vl),
            Arc::new(qwen2_5_vl::Qwen2_5Vl),
            Arc::new(qwen3_vl::Qwen3Vl),
            Arc::new(internvl::InternVl),
            Arc::new(smolvlm::SmolVlm),
        ])
    }
}
