//! InternViT and the projector: square tiles in, one feature for each 2×2 group of patches out.

use super::VisionConfig;
use crate::nn::{
    Linear, VisionBlock, VisionPlan, lazy_param, linear::linears, norm::LayerNorm, packing::Packing,
};
use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, activation::gelu},
};

/// ε of the projector's norm, torch's default.
const PROJECTOR_EPS: f64 = 1e-5;

/// The tower of InternVL. The rows of a tile's patches walk it row by row.
#[derive(Module, Debug)]
pub struct VisionTower {
    /// Patches, class token and positions.
    pub embeddings: Embeddings,
    /// The blocks, first to last.
    pub blocks: Vec<VisionBlock>,
    /// Projection of 2×2 groups to the decoder's width.
    pub projector: Projector,
}

/// `[N, C·P·P] → [tiles · (1 + S), E]`, S patches a tile
#[derive(Module, Debug)]
pub struct Embeddings {
    /// `[E]`, the token before a tile's patches.
    pub class_embedding: Param<Tensor<1>>,
    /// The convolution, seen as a linear layer.
    pub patch_embedding: Linear,
    /// `[1 + S, E]`
    pub position_embedding: Param<Tensor<2>>,
}

/// `[N / merge², merge² · E] → [N / merge², D]`
#[derive(Module, Debug)]
pub struct Projector {
    /// Norm of each group.
    pub norm: LayerNorm,
    /// `[merge² · E] → [D]`
    pub fc1: Linear,
    /// `[D] → [D]`
    pub fc2: Linear,
}

linears!(VisionTower {
    embeddings,
    blocks,
    projector
});
linears!(Embeddings { patch_embedding });
linears!(Projector { fc1, fc2 });

impl VisionTower {
    /// A tower of the configured size, not yet loaded.
    pub fn new(config: &VisionConfig, device: &Device) -> Self {
        let (e, d) = (config.block.width, config.out_hidden_size);
        let patch = config.in_channels * config.patch_size.pow(2);
        let group = e * config.merge_size.pow(2);
        Self {
            embeddings: Embeddings {
                class_embedding: lazy_param([e], 0.0, device),
                patch_embedding: Linear::new(patch, e, true, device),
                position_embedding: lazy_param([1 + config.side().pow(2), e], 0.0, device),
            },
            blocks: (0..config.depth)
                .map(|_| config.block.init(false, device))
                .collect(),
            projector: Projector {
                norm: LayerNorm::new(group, PROJECTOR_EPS, device),
                fc1: Linear::new(group, d, true, device),
                fc2: Linear::new(d, d, true, device),
            },
        }
    }

    /// Patches to embeddings, a class token before those of each tile.
    ///
    /// # Shapes
    /// - patches: `[N, C·P·P]`
    /// - output: `[tiles · (1 + S), E]`
    pub fn stem(&self, patches: Tensor<2>) -> Tensor<2> {
        let dtype = patches.dtype();
        let positions = self.embeddings.position_embedding.val().cast(dtype);
        let [slots, e] = positions.dims();
        let x = self.embeddings.patch_embedding.forward(patches);
        let tiles = x.dims()[0] / (slots - 1);
        let x = x.reshape([tiles, slots - 1, e]);
        let class = self.embeddings.class_embedding.val().cast(dtype);
        let class = class.reshape([1, 1, e]).expand([tiles, 1, e]);
        let x = Tensor::cat(vec![class, x], 1) + positions.unsqueeze();
        x.reshape([tiles * slots, e])
    }

    /// Drops the class tokens and merges groups of patches.
    ///
    /// The patch in row `r` and column `c` of a group of side `m` gives the channels from
    /// `(m · r + c) · E`: the second version of the pixel shuffle.
    ///
    /// # Shapes
    /// - x: `[tiles · (1 + S), E]`
    /// - output: `[N / merge², D]`
    pub fn finish(&self, x: Tensor<2>) -> Tensor<2> {
        let [slots, e] = self.embeddings.position_embedding.lazy_shape().dims();
        let tiles = x.dims()[0] / slots;
        let side = (slots - 1).isqrt();
        let group = self.projector.norm.weight.lazy_shape().num_elements();
        let merge = (group / e).isqrt();
        let merged = side / merge;
        let x = x
            .reshape([tiles, slots, e])
            .narrow(1, 1, slots - 1)
            .reshape([tiles * merged, merge, merged, merge * e])
            .swap_dims(1, 2)
            .reshape([tiles * merged * merged, group]);
        let x = gelu(self.projector.fc1.forward(self.projector.norm.forward(x)));
        self.projector.fc2.forward(x)
    }
}

impl VisionConfig {
    /// Plans the attention of a batch of pictures: each tile attends to itself.
    ///
    /// `grids` are `[tiles, side, side]` in patches.
    pub fn plan(&self, grids: &[[usize; 3]], device: &Device) -> VisionPlan {
        let tiles = grids.iter().map(|[tiles, ..]| tiles).sum();
        let lens = vec![1 + self.side().pow(2); tiles];
        VisionPlan {
            order: None,
            inverse: None,
            windows: None,
            pictures: Packing::new(&lens, None, device),
        }
    }
}
