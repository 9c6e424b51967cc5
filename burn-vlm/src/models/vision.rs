//! The vision towers behind one face.

use super::{internvl, qwen2_vl};
use crate::{
    freeze::is_trainable,
    nn::{Linear, VisionBlock, VisionPlan, linear::Linears},
};
use burn::{
    module::Module,
    tensor::{Device, Tensor},
};

/// A vision tower. Between [`stem`](Self::stem) and [`finish`](Self::finish) every block maps
/// `[N, E]` to `[N, E]`, so that a tape can stop at each of them.
#[derive(Module, Debug)]
pub enum Vision {
    /// Of Qwen2-VL and Qwen2.5-VL.
    Qwen(qwen2_vl::VisionTower),
    /// Of InternVL.
    InternVit(internvl::VisionTower),
}

/// Sizes of a vision tower.
#[derive(Debug, Clone, PartialEq)]
pub enum VisionConfig {
    /// Of Qwen2-VL and Qwen2.5-VL.
    Qwen(qwen2_vl::VisionConfig),
    /// Of InternVL.
    InternVit(internvl::VisionConfig),
}

/// What all towers have, for people and for checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VisionSizes {
    /// Number of blocks.
    pub depth: usize,
    /// Width of a patch embedding.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width inside the feed-forward layers.
    pub inner: usize,
    /// Values of a patch.
    pub patch_len: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Side of a merged group in patches.
    pub merge_size: usize,
    /// Frames in a patch.
    pub temporal_patch_size: usize,
}

impl VisionConfig {
    /// A tower of this size, not yet loaded.
    pub fn init(&self, device: &Device) -> Vision {
        match self {
            Self::Qwen(config) => Vision::Qwen(qwen2_vl::VisionTower::new(config, device)),
            Self::InternVit(config) => {
                Vision::InternVit(internvl::VisionTower::new(config, device))
            }
        }
    }

    /// Plans the attention of a batch of pictures; `grids` are `[t, h, w]` in patches.
    pub fn plan(&self, grids: &[[usize; 3]], device: &Device) -> VisionPlan {
        match self {
            Self::Qwen(config) => config.plan(grids, device),
            Self::InternVit(config) => config.plan(grids, device),
        }
    }

    /// Image features that a picture of `grid` patches becomes.
    pub fn image_tokens(&self, [t, h, w]: [usize; 3]) -> usize {
        t * h * w / self.sizes().merge_size.pow(2)
    }

    /// How many segments of patches a picture is, each attending to itself, and the patches of one.
    pub fn segments(&self, [t, h, w]: [usize; 3]) -> [usize; 2] {
        match self {
            Self::Qwen(_) => [1, t * h * w],
            // A class token goes before the patches of every tile.
            Self::InternVit(_) => [t, h * w + 1],
        }
    }

    /// The patches of a tile, `[1, h, w]`, where pictures are cut into tiles of one size.
    pub fn tile(&self) -> Option<[usize; 3]> {
        match self {
            Self::Qwen(_) => None,
            Self::InternVit(config) => {
                let side = config.image_size / config.patch_size;
                Some([1, side, side])
            }
        }
    }

    /// Parameters whose shape in a file differs from ours, with the file's shape.
    pub(super) fn file_shapes(&self) -> Vec<(String, Vec<usize>)> {
        match self {
            Self::Qwen(config) => config.file_shapes(),
            Self::InternVit(config) => config.file_shapes(),
        }
    }

    /// What all towers have.
    pub fn sizes(&self) -> VisionSizes {
        match self {
            Self::Qwen(config) => config.sizes(),
            Self::InternVit(config) => config.sizes(),
        }
    }

    /// Whether the sizes fit each other and a decoder `text_width` wide.
    pub(super) fn check(&self, text_width: usize) -> Result<(), String> {
        match self {
            Self::Qwen(config) => config.check(text_width),
            Self::InternVit(config) => config.check(),
        }
    }
}

impl Vision {
    /// The blocks, first to last.
    pub fn blocks(&self) -> &[VisionBlock] {
        match self {
            Self::Qwen(tower) => &tower.blocks,
            Self::InternVit(tower) => &tower.blocks,
        }
    }

    /// Whether anything before the blocks is trained.
    pub(crate) fn stem_is_trainable(&self) -> bool {
        match self {
            Self::Qwen(tower) => is_trainable(&tower.patch_embed),
            Self::InternVit(tower) => is_trainable(&tower.embeddings),
        }
    }

    /// Whether anything after the blocks is trained.
    pub(crate) fn finish_is_trainable(&self) -> bool {
        match self {
            Self::Qwen(tower) => is_trainable(&tower.merger),
            Self::InternVit(tower) => is_trainable(&tower.projector),
        }
    }

    /// Patches to what the first block reads.
    ///
    /// # Shapes
    /// - patches: `[N, C·T·P·P]`
    /// - output: `[N', E]`; N' is N and one more for each class token
    pub fn stem(&self, patches: Tensor<2>, plan: &VisionPlan) -> Tensor<2> {
        match self {
            Self::Qwen(tower) => tower.stem(patches, plan),
            Self::InternVit(tower) => tower.stem(patches),
        }
    }

    /// From what the last block wrote to image features, in the order of the pictures.
    ///
    /// # Shapes
    /// - x: `[N', E]`
    /// - output: `[N / merge², D]`
    pub fn finish(&self, x: Tensor<2>, plan: &VisionPlan) -> Tensor<2> {
        match self {
            Self::Qwen(tower) => tower.finish(x, plan),
            Self::InternVit(tower) => tower.finish(x),
        }
    }

    /// The whole tower.
    ///
    /// # Shapes
    /// - patches: `[N, C·T·P·P]`
    /// - output: `[N / merge², D]`
    pub fn forward(&self, patches: Tensor<2>, plan: &VisionPlan) -> Tensor<2> {
        let x = self.stem(patches, plan);
        let x = self
            .blocks()
            .iter()
            .fold(x, |x, block| block.forward(x, plan));
        self.finish(x, plan)
    }
}

impl Linears for Vision {
    fn each_linear(&mut self, path: &str, visit: &mut dyn FnMut(&str, &mut Linear)) {
        match self {
            Self::Qwen(tower) => tower.each_linear(path, visit),
            Self::InternVit(tower) => tower.each_linear(path, visit),
        }
    }
}
