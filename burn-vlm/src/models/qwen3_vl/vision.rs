//! The vision tower: patches in, one feature for each 2×2 group of patches out, once after the last
//! block and once after each that is tapped.

use super::{VisionConfig, positions::resampling};
use crate::{
    freeze::is_trainable,
    models::{self, Tap, Vision, VisionSizes, check::check_sizes, qwen2_vl::vision::PatchEmbed},
    nn::{Linear, VisionBlock, VisionPlan, lazy_param, linears, norm::LayerNorm},
};
use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, activation::gelu},
};

/// The tower of Qwen3-VL.
#[derive(Module, Debug)]
pub struct VisionTower {
    /// Projection of flattened patches.
    pub patch_embed: PatchEmbed,
    /// The table of positions.
    pub pos_embed: Positions,
    /// The blocks, first to last.
    pub blocks: Vec<VisionBlock>,
    /// Projection of 2×2 groups to the decoder's width.
    pub merger: Merger,
    /// The same for each tap.
    pub deepstack_merger_list: Vec<Merger>,
}

/// One embedding for each place of a square.
#[derive(Module, Debug)]
pub struct Positions {
    /// `[side², E]`
    pub weight: Param<Tensor<2>>,
}

/// `[N, E] → [N / merge², D]`
#[derive(Module, Debug)]
pub struct Merger {
    /// Norm of each patch, or of each group where it is as wide.
    pub norm: LayerNorm,
    /// `[merge² · E] → [merge² · E]`
    pub linear_fc1: Linear,
    /// `[merge² · E] → [D]`
    pub linear_fc2: Linear,
}

linears!(VisionTower {
    patch_embed,
    blocks,
    merger,
    deepstack_merger_list
});
linears!(Merger {
    linear_fc1,
    linear_fc2
});

impl models::VisionConfig for VisionConfig {
    fn init(&self, device: &Device) -> Vision {
        Vision::new(VisionTower::new(self, device))
    }

    fn plan(&self, grids: &[[usize; 3]], device: &Device) -> VisionPlan {
        let merge = self.base.spatial_merge_size;
        VisionPlan {
            positions: Some(resampling(grids, self.position_side, merge, device)),
            ..self.base.plan(grids, device)
        }
    }

    fn sizes(&self) -> VisionSizes {
        self.base.sizes()
    }

    fn file_shapes(&self) -> Vec<(String, Vec<usize>)> {
        self.base.file_shapes()
    }

    fn check(&self, text_width: usize) -> Result<(), String> {
        self.base.check(text_width)?;
        let side = ("vision_config.num_position_embeddings", self.position_side);
        check_sizes(("vision_config.depth", self.base.depth), &[side])
    }

    fn taps(&self) -> &[Tap] {
        &self.taps
    }
}

impl VisionTower {
    /// A tower of the configured size, not yet loaded.
    pub fn new(config: &VisionConfig, device: &Device) -> Self {
        let base = &config.base;
        let e = base.block.width;
        let group = e * base.spatial_merge_size.pow(2);
        let merger = |normed| Merger {
            norm: LayerNorm::new(normed, base.block.eps, device),
            linear_fc1: Linear::new(group, group, true, device),
            linear_fc2: Linear::new(group, base.out_hidden_size, true, device),
        };
        Self {
            patch_embed: PatchEmbed {
                proj: Linear::new(base.patch_len(), e, true, device),
            },
            pos_embed: Positions {
                weight: lazy_param([config.position_side.pow(2), e], 0.0, device),
            },
            blocks: (0..base.depth)
                .map(|_| base.block.init(false, device))
                .collect(),
            merger: merger(e),
            deepstack_merger_list: config.taps.iter().map(|_| merger(group)).collect(),
        }
    }
}

impl Merger {
    /// # Shapes
    /// - input: `[N, E]`
    /// - output: `[N / merge², D]`
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let [n, e] = x.dims();
        let group = self.linear_fc1.weight.dims()[1];
        let joined = |x: Tensor<2>| x.reshape([n * e / group, group]);
        let normed = self.norm.weight.lazy_shape().num_elements();
        let x = match normed == e {
            true => joined(self.norm.forward(x)),
            false => self.norm.forward(joined(x)),
        };
        self.linear_fc2.forward(gelu(self.linear_fc1.forward(x)))
    }
}

impl models::VisionTower for VisionTower {
    fn blocks(&self) -> &[VisionBlock] {
        &self.blocks
    }

    fn stem_is_trainable(&self) -> bool {
        is_trainable(&self.patch_embed) || is_trainable(&self.pos_embed)
    }

    fn finish_is_trainable(&self) -> bool {
        is_trainable(&self.merger)
    }

    /// Patches to embeddings, and where they are.
    ///
    /// # Shapes
    /// - patches: `[N, C·T·P·P]`
    /// - output: `[N, E]`
    fn stem(&self, patches: Tensor<2>, plan: &VisionPlan) -> Tensor<2> {
        let x = self.patch_embed.proj.forward(patches);
        let positions = plan.positions.as_ref();
        let positions = positions.map(|positions| positions.of(self.pos_embed.weight.val()));
        match positions {
            Some(positions) => x.clone() + positions.cast(x.dtype()),
            None => x,
        }
    }

    fn finish(&self, x: Tensor<2>, _: &VisionPlan) -> Tensor<2> {
        self.merger.forward(x)
    }

    fn tap(&self, index: usize, x: Tensor<2>, _: &VisionPlan) -> Tensor<2> {
        self.deepstack_merger_list[index].forward(x)
    }

    fn tap_is_trainable(&self, index: usize) -> bool {
        is_trainable(&self.deepstack_merger_list[index])
    }
}
