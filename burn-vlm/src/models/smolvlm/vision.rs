//! SigLIP and the connector: square tiles in, one feature for each group of patches out.

use super::VisionConfig;
use crate::{
    freeze::is_trainable,
    models::{
        self, Vision, VisionSizes,
        check::{check_channels, check_divides, check_positive, check_size, check_sizes},
    },
    nn::{Linear, VisionBlock, VisionPlan, lazy_param, linears, norm::LayerNorm},
};
use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor},
};

/// Largest side of a merged group in patches: beyond that of any model.
const MAX_MERGE: usize = 64;

/// The tower of SmolVLM. The rows of a tile's patches walk it row by row.
#[derive(Module, Debug)]
pub struct VisionTower {
    /// Patches and positions.
    pub embeddings: Embeddings,
    /// The blocks, first to last.
    pub blocks: Vec<VisionBlock>,
    /// Norm after the last block.
    pub post_layernorm: LayerNorm,
    /// `[merge² · E] → [D]`
    pub connector: Linear,
}

/// `[N, C·P·P] → [N, E]`
#[derive(Module, Debug)]
pub struct Embeddings {
    /// The convolution, seen as a linear layer.
    pub patch_embedding: Linear,
    /// Where a patch is in its tile.
    pub position_embedding: Positions,
}

/// One embedding for each place of a tile.
#[derive(Module, Debug)]
pub struct Positions {
    /// `[S, E]`, S patches a tile
    pub weight: Param<Tensor<2>>,
}

linears!(VisionTower {
    embeddings,
    blocks,
    connector
});
linears!(Embeddings { patch_embedding });

impl models::VisionConfig for VisionConfig {
    fn init(&self, device: &Device) -> Vision {
        Vision::new(VisionTower::new(self, device))
    }

    /// Each tile attends to itself; `grids` are `[tiles, side, side]` in patches.
    fn plan(&self, grids: &[[usize; 3]], device: &Device) -> VisionPlan {
        let tiles = grids.iter().map(|[tiles, ..]| tiles).sum();
        VisionPlan::new(&vec![self.side().pow(2); tiles], None, device)
    }

    fn segments(&self, [t, h, w]: [usize; 3]) -> [usize; 2] {
        [t, h * w]
    }

    fn tile(&self) -> Option<[usize; 3]> {
        Some([1, self.side(), self.side()])
    }

    fn sizes(&self) -> VisionSizes {
        VisionSizes {
            depth: self.depth,
            width: self.block.width,
            heads: self.block.heads,
            inner: self.block.inner,
            patch_len: self.in_channels * self.patch_size.pow(2),
            patch_size: self.patch_size,
            merge_size: self.merge_size,
            temporal_patch_size: 1,
        }
    }

    /// A convolution over whole patches is a linear layer; files keep its four dimensions.
    fn file_shapes(&self) -> Vec<(String, Vec<usize>)> {
        let (e, p) = (self.block.width, self.patch_size);
        let shape = vec![e, self.in_channels, p, p];
        vec![("visual.embeddings.patch_embedding.weight".into(), shape)]
    }

    fn check(&self, _: usize) -> Result<(), String> {
        let (width, heads) = (self.block.width, self.block.heads);
        check_sizes(
            ("vision_config.num_hidden_layers", self.depth),
            &[
                ("vision_config.hidden_size", width),
                ("vision_config.num_attention_heads", heads),
                ("vision_config.intermediate_size", self.block.inner),
                ("vision_config.image_size", self.image_size),
                ("vision_config.patch_size", self.patch_size),
            ],
        )?;
        check_size("scale_factor", self.merge_size, MAX_MERGE)?;
        check_size("image_size / patch_size", self.side(), self.image_size)?;
        check_channels("vision_config.num_channels", self.in_channels)?;
        check_positive("vision_config.layer_norm_eps", self.block.eps)?;
        check_divides(
            "vision_config.hidden_size by num_attention_heads",
            width,
            heads,
        )?;
        check_divides(
            "vision_config.image_size / patch_size by scale_factor",
            self.side(),
            self.merge_size,
        )
    }
}

impl VisionTower {
    /// A tower of the configured size, not yet loaded.
    pub fn new(config: &VisionConfig, device: &Device) -> Self {
        let e = config.block.width;
        let patch = config.in_channels * config.patch_size.pow(2);
        let group = e * config.merge_size.pow(2);
        Self {
            embeddings: Embeddings {
                patch_embedding: Linear::new(patch, e, true, device),
                position_embedding: Positions {
                    weight: lazy_param([config.side().pow(2), e], 0.0, device),
                },
            },
            blocks: (0..config.depth)
                .map(|_| config.block.init(false, device))
                .collect(),
            post_layernorm: LayerNorm::new(e, config.block.eps, device),
            connector: Linear::new(group, config.out_hidden_size, false, device),
        }
    }
}

impl models::VisionTower for VisionTower {
    fn blocks(&self) -> &[VisionBlock] {
        &self.blocks
    }

    fn stem_is_trainable(&self) -> bool {
        is_trainable(&self.embeddings)
    }

    fn finish_is_trainable(&self) -> bool {
        is_trainable(&self.post_layernorm) || is_trainable(&self.connector)
    }

    /// Patches to embeddings. A tile is whole, so each patch has the position of its own place.
    ///
    /// (transformers finds it by fractions of the tile in f32, which are off by a place for some
    /// sides; those of the published towers, 26, 27 and 32 patches, are not among them.)
    ///
    /// # Shapes
    /// - patches: `[N, C·P·P]`
    /// - output: `[N, E]`
    fn stem(&self, patches: Tensor<2>, _: &VisionPlan) -> Tensor<2> {
        let x = self.embeddings.patch_embedding.forward(patches);
        let positions = self.embeddings.position_embedding.weight.val();
        let [slots, e] = positions.dims();
        let tiles = x.dims()[0] / slots;
        let positions = positions.cast(x.dtype());
        let x = x.reshape([tiles, slots, e]) + positions.unsqueeze();
        x.reshape([tiles * slots, e])
    }

    /// Merges groups of patches.
    ///
    /// The patch in row `r` and column `c` of a group of side `m` gives the channels from
    /// `(m · r + c) · E`.
    ///
    /// # Shapes
    /// - x: `[N, E]`
    /// - output: `[N / merge², D]`
    fn finish(&self, x: Tensor<2>, _: &VisionPlan) -> Tensor<2> {
        let table = &self.embeddings.position_embedding.weight;
        let [slots, e] = table.lazy_shape().dims();
        let tiles = x.dims()[0] / slots;
        let side = slots.isqrt();
        let group = self.connector.weight.lazy_shape().dims::<2>()[1];
        let merge = (group / e).isqrt();
        let merged = side / merge;
        let x = self
            .post_layernorm
            .forward(x)
            .reshape([tiles * merged, merge, merged, merge * e])
            .swap_dims(1, 2)
            .reshape([tiles * merged * merged, group]);
        self.connector.forward(x)
    }
}
