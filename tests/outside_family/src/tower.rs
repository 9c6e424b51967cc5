//! The vision tower: learned positions, blocks of the library, and a projection of its own, once
//! after the last block and once, as a tap, after another.

use crate::images::{LAYOUT, SIDE};
use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor},
};
use burn_vlm::{
    freeze::{is_trainable, is_trained},
    models::{Tap, Vision, VisionConfig, VisionSizes, VisionTower},
    nn::{
        Linear, VisionBlock, VisionPlan, lazy_param, linears,
        mlp::{Activation, FeedForwardKind},
        norm::NormKind,
        vision::VisionBlockConfig,
    },
};
use serde::Deserialize;

/// Patches of a picture.
const PATCHES: usize = (SIDE / LAYOUT.patch_size).pow(2);

/// Patches of a token.
const GROUP: usize = LAYOUT.merge_size.pow(2);

/// Values of a patch.
const PATCH_LEN: usize = 3 * LAYOUT.patch_size.pow(2);

/// `vision_config`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TowerConfig {
    depth: usize,
    width: usize,
    heads: usize,
    out: usize,
    taps: [Tap; 1],
}

/// The tower.
#[derive(Module, Debug)]
pub struct Tower {
    embed: Linear,
    /// `[16, E]`
    positions: Param<Tensor<2>>,
    blocks: Vec<VisionBlock>,
    projector: Linear,
    tap: Linear,
}

linears!(Tower {
    embed,
    blocks,
    projector,
    tap
});

/// `[N, E] → [N / 4, 4 E] → [N / 4, D]`
fn projected(layer: &Linear, x: Tensor<2>) -> Tensor<2> {
    let [n, e] = x.dims();
    layer.forward(x.reshape([n / GROUP, GROUP * e]))
}

impl VisionTower for Tower {
    fn blocks(&self) -> &[VisionBlock] {
        &self.blocks
    }

    fn stem(&self, patches: Tensor<2>, _: &VisionPlan) -> Tensor<2> {
        let x = self.embed.forward(patches);
        let [n, e] = x.dims();
        let positions = self.positions.val().cast(x.dtype());
        let x = x.reshape([n / PATCHES, PATCHES, e]) + positions.unsqueeze();
        x.reshape([n, e])
    }

    fn finish(&self, x: Tensor<2>, _: &VisionPlan) -> Tensor<2> {
        projected(&self.projector, x)
    }

    fn stem_is_trainable(&self) -> bool {
        is_trainable(&self.embed) || is_trained(&self.positions)
    }

    fn finish_is_trainable(&self) -> bool {
        is_trainable(&self.projector)
    }

    fn tap(&self, _: usize, x: Tensor<2>, _: &VisionPlan) -> Tensor<2> {
        projected(&self.tap, x)
    }

    fn tap_is_trainable(&self, _: usize) -> bool {
        is_trainable(&self.tap)
    }
}

impl VisionConfig for TowerConfig {
    fn init(&self, device: &Device) -> Vision {
        let e = self.width;
        let block = VisionBlockConfig {
            width: e,
            heads: self.heads,
            inner: 2 * e,
            norm: NormKind::Layer,
            eps: 1e-6,
            mlp: FeedForwardKind::Mlp(Activation::Gelu),
            qkv_bias: true,
            qk_norm: false,
            layer_scale: false,
        };
        Vision::new(Tower {
            embed: Linear::new(PATCH_LEN, e, true, device),
            positions: lazy_param([PATCHES, e], 0.0, device),
            blocks: (0..self.depth).map(|_| block.init(false, device)).collect(),
            projector: Linear::new(GROUP * e, self.out, true, device),
            tap: Linear::new(GROUP * e, self.out, true, device),
        })
    }

    fn plan(&self, grids: &[[usize; 3]], device: &Device) -> VisionPlan {
        VisionPlan::new(&vec![PATCHES; grids.len()], None, device)
    }

    fn sizes(&self) -> VisionSizes {
        VisionSizes {
            depth: self.depth,
            width: self.width,
            heads: self.heads,
            inner: 2 * self.width,
            patch_len: PATCH_LEN,
            patch_size: LAYOUT.patch_size,
            merge_size: LAYOUT.merge_size,
            temporal_patch_size: LAYOUT.temporal_patch_size,
        }
    }

    fn check(&self, text_width: usize) -> Result<(), String> {
        match self.out == text_width {
            true => Ok(()),
            false => Err(format!(
                "vision_config.out is {}, expected {text_width}",
                self.out
            )),
        }
    }

    fn taps(&self) -> &[Tap] {
        &self.taps
    }

    fn tile(&self) -> Option<[usize; 3]> {
        let side = SIDE / LAYOUT.patch_size;
        Some([1, side, side])
    }
}
