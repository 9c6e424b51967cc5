//! The vision tower: patches in, one feature for each 2×2 group of patches out.

use super::{VisionConfig, plan::plan, processor::MAX_SIDE};
use crate::{
    freeze::is_trainable,
    models::{
        self, Vision, VisionSizes,
        check::{check_channels, check_divides, check_size, check_sizes},
    },
    nn::{Linear, VisionBlock, VisionPlan, linears, norm::Norm},
};
use burn::{
    module::Module,
    tensor::{Device, Tensor, activation::gelu},
};

/// The tower of Qwen2-VL and Qwen2.5-VL.
#[derive(Module, Debug)]
pub struct VisionTower {
    /// Projection of flattened patches.
    pub patch_embed: PatchEmbed,
    /// The blocks, first to last.
    pub blocks: Vec<VisionBlock>,
    /// Projection of 2×2 groups to the decoder's width.
    pub merger: Merger,
}

/// `[N, C·T·P·P] → [N, E]`
#[derive(Module, Debug)]
pub struct PatchEmbed {
    /// The convolution, seen as a linear layer.
    pub proj: Linear,
}

/// `[N, E] → [N / merge², D]`
#[derive(Module, Debug)]
pub struct Merger {
    /// Norm of each patch.
    pub ln_q: Norm,
    /// `[merge² · E] → [merge² · E]`
    pub fc1: Linear,
    /// `[merge² · E] → [D]`
    pub fc2: Linear,
}

impl models::VisionConfig for VisionConfig {
    fn init(&self, device: &Device) -> Vision {
        Vision::new(VisionTower::new(self, device))
    }

    fn plan(&self, grids: &[[usize; 3]], device: &Device) -> VisionPlan {
        plan(self, grids, device)
    }

    fn sizes(&self) -> VisionSizes {
        VisionSizes {
            depth: self.depth,
            width: self.block.width,
            heads: self.block.heads,
            inner: self.block.inner,
            patch_len: self.patch_len(),
            patch_size: self.patch_size,
            merge_size: self.spatial_merge_size,
            temporal_patch_size: self.temporal_patch_size,
        }
    }

    /// A convolution over whole patches is a linear layer; files keep its five dimensions.
    fn file_shapes(&self) -> Vec<(String, Vec<usize>)> {
        let (frames, side) = (self.temporal_patch_size, self.patch_size);
        let shape = vec![self.block.width, self.in_channels, frames, side, side];
        vec![("visual.patch_embed.proj.weight".into(), shape)]
    }

    fn check(&self, text_width: usize) -> Result<(), String> {
        let (width, heads) = (self.block.width, self.block.heads);
        check_sizes(
            ("vision_config.depth", self.depth),
            &[
                ("width of the vision tower", width),
                ("width inside a block of the vision tower", self.block.inner),
                ("vision_config.num_heads", heads),
            ],
        )?;
        for (key, found) in [
            ("patch_size", self.patch_size),
            ("spatial_merge_size", self.spatial_merge_size),
            ("temporal_patch_size", self.temporal_patch_size),
        ] {
            check_size(&format!("vision_config.{key}"), found, MAX_SIDE)?;
        }
        check_channels("vision_config.in_channels", self.in_channels)?;
        check_divides("vision width by num_heads", width, heads)?;
        check_divides("vision head width by 4", width / heads, 4)?;
        if let Some(windows) = &self.windows {
            check_sizes(
                ("vision_config.depth", self.depth),
                &[("vision_config.window_size", windows.size)],
            )?;
            check_divides(
                "window_size by patch_size · spatial_merge_size",
                windows.size,
                self.patch_size * self.spatial_merge_size,
            )?;
        }
        if self.out_hidden_size != text_width {
            return Err(format!(
                "width of the vision tower's features is {}, expected {text_width}",
                self.out_hidden_size
            ));
        }
        Ok(())
    }
}

linears!(VisionTower {
    patch_embed,
    blocks,
    merger
});
linears!(PatchEmbed { proj });
linears!(Merger { fc1, fc2 });

impl VisionTower {
    /// A tower of the configured size, not yet loaded.
    pub fn new(config: &VisionConfig, device: &Device) -> Self {
        let e = config.block.width;
        let group = e * config.spatial_merge_size.pow(2);
        let windowed = |index| {
            let windows = config.windows.as_ref();
            windows.is_some_and(|w| !w.full_blocks.contains(&index))
        };
        Self {
            patch_embed: PatchEmbed {
                proj: Linear::new(config.patch_len(), e, false, device),
            },
            blocks: (0..config.depth)
                .map(|index| config.block.init(windowed(index), device))
                .collect(),
            merger: Merger {
                ln_q: Norm::new(config.block.norm, e, config.block.eps, device),
                fc1: Linear::new(group, group, true, device),
                fc2: Linear::new(group, config.out_hidden_size, true, device),
            },
        }
    }
}

impl models::VisionTower for VisionTower {
    fn blocks(&self) -> &[VisionBlock] {
        &self.blocks
    }

    fn stem_is_trainable(&self) -> bool {
        is_trainable(&self.patch_embed)
    }

    fn finish_is_trainable(&self) -> bool {
        is_trainable(&self.merger)
    }

    /// Patches to embeddings, in window order.
    ///
    /// # Shapes
    /// - patches: `[N, C·T·P·P]`
    /// - output: `[N, E]`
    fn stem(&self, patches: Tensor<2>, plan: &VisionPlan) -> Tensor<2> {
        let x = self.patch_embed.proj.forward(patches);
        match &plan.order {
            Some(order) => x.select(0, order.clone()),
            None => x,
        }
    }

    /// Merges groups of patches and restores the order of the pictures.
    ///
    /// # Shapes
    /// - x: `[N, E]`
    /// - output: `[N / merge², D]`
    fn finish(&self, x: Tensor<2>, plan: &VisionPlan) -> Tensor<2> {
        let [n, e] = x.dims();
        let group = self.merger.fc1.weight.dims()[1] / e;
        let x = self.merger.ln_q.forward(x).reshape([n / group, group * e]);
        let x = self.merger.fc2.forward(gelu(self.merger.fc1.forward(x)));
        match &plan.inverse {
            Some(inverse) => x.select(0, inverse.clone()),
            None => x,
        }
    }
}
