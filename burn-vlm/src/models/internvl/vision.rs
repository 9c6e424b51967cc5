//! InternViT and the projector: square tiles in, one feature for each 2×2 group of patches out.

use super::VisionConfig;
use crate::{
    freeze::is_trainable,
    models::{
        self, Vision, VisionSizes,
        check::{check_channels, check_divides, check_positive, check_sizes},
    },
    nn::{Linear, VisionBlock, VisionPlan, lazy_param, linears, norm::LayerNorm},
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

impl models::VisionConfig for VisionConfig {
    fn init(&self, device: &Device) -> Vision {
        Vision::new(VisionTower::new(self, device))
    }

    /// Each tile attends to itself; `grids` are `[tiles, side, side]` in patches.
    fn plan(&self, grids: &[[usize; 3]], device: &Device) -> VisionPlan {
        let tiles = grids.iter().map(|[tiles, ..]| tiles).sum();
        let lens = vec![1 + self.side().pow(2); tiles];
        VisionPlan::new(&lens, None, device)
    }

    /// A class token goes before the patches of every tile.
    fn segments(&self, [t, h, w]: [usize; 3]) -> [usize; 2] {
        [t, h * w + 1]
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

    /// A convolution over whole patches is a linear layer; files keep its four dimensions, and the
    /// batch dimension of what is added to every tile.
    fn file_shapes(&self) -> Vec<(String, Vec<usize>)> {
        let (e, p) = (self.block.width, self.patch_size);
        let at = |name: &str| format!("visual.embeddings.{name}");
        vec![
            (
                at("patch_embedding.weight"),
                vec![e, self.in_channels, p, p],
            ),
            (at("class_embedding"), vec![1, 1, e]),
            (at("position_embedding"), vec![1, 1 + self.side().pow(2), e]),
        ]
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
        check_channels("vision_config.num_channels", self.in_channels)?;
        check_positive("vision_config.layer_norm_eps", self.block.eps)?;
        check_divides(
            "vision_config.hidden_size by num_attention_heads",
            width,
            heads,
        )?;
        check_divides(
            "vision_config.image_size by patch_size / downsample_ratio",
            self.image_size,
            self.patch_size * self.merge_size,
        )
    }
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
}

impl models::VisionTower for VisionTower {
    fn blocks(&self) -> &[VisionBlock] {
        &self.blocks
    }

    fn stem_is_trainable(&self) -> bool {
        is_trainable(&self.embeddings)
    }

    fn finish_is_trainable(&self) -> bool {
        is_trainable(&self.projector)
    }

    /// Patches to embeddings, a class token before those of each tile.
    ///
    /// # Shapes
    /// - patches: `[N, C·P·P]`
    /// - output: `[tiles · (1 + S), E]`
    fn stem(&self, patches: Tensor<2>, _: &VisionPlan) -> Tensor<2> {
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
    fn finish(&self, x: Tensor<2>, _: &VisionPlan) -> Tensor<2> {
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
