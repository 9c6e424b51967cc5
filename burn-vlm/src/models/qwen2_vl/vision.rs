//! The vision tower: patches in, one feature for each 2×2 group of patches out.

use super::VisionConfig;
use crate::nn::{
    Linear, VisionBlock, VisionPlan, int_tensor,
    linear::linears,
    norm::Norm,
    packing::{Angles, Packing},
    rope::inverse_frequencies,
};
use burn::{
    module::Module,
    tensor::{Device, Tensor, activation::gelu},
};

/// Base of the rotary frequencies over rows and columns.
const ROPE_THETA: f64 = 10_000.0;

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

    /// Patches to embeddings, in window order.
    ///
    /// # Shapes
    /// - patches: `[N, C·T·P·P]`
    /// - output: `[N, E]`
    pub fn stem(&self, patches: Tensor<2>, plan: &VisionPlan) -> Tensor<2> {
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
    pub fn finish(&self, x: Tensor<2>, plan: &VisionPlan) -> Tensor<2> {
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

impl VisionConfig {
    /// Plans the attention of a batch of pictures.
    ///
    /// `grids` are `[t, h, w]` in patches, each side a multiple of the merge size.
    pub fn plan(&self, grids: &[[usize; 3]], device: &Device) -> VisionPlan {
        let merge = self.spatial_merge_size;
        let unit = merge * merge;
        let windows = self.windows.as_ref();
        let window = windows.map_or(usize::MAX, |w| w.size / merge / self.patch_size);
        let head_dim = self.block.width / self.block.heads;
        let frequencies = inverse_frequencies(head_dim / 2, ROPE_THETA);
        let half = head_dim / 2;

        let (mut groups, mut window_lens, mut picture_lens) = (Vec::new(), vec![], vec![]);
        let mut places = Vec::new();
        for [t, h, w] in grids.iter().copied() {
            let (rows, columns) = (h / merge, w / merge);
            for _ in 0..t {
                let first = places.len() / unit;
                picture_lens.push(h * w);
                for group in 0..rows * columns {
                    let (row, column) = (group / columns * merge, group % columns * merge);
                    places.extend((0..unit).map(|i| (row + i / merge, column + i % merge)));
                }
                for (top, left) in (0..rows.div_ceil(window)).flat_map(|r| {
                    (0..columns.div_ceil(window)).map(move |c| (r * window, c * window))
                }) {
                    let before = groups.len();
                    for row in top..rows.min(top.saturating_add(window)) {
                        groups.extend(
                            (left..columns.min(left.saturating_add(window)))
                                .map(|c| first + row * columns + c),
                        );
                    }
                    window_lens.push((groups.len() - before) * unit);
                }
            }
        }

        let order: Vec<usize> = groups
            .iter()
            .flat_map(|group| (0..unit).map(move |i| group * unit + i))
            .collect();
        let mut angles = Vec::with_capacity(order.len() * half);
        for patch in &order {
            let (row, column) = places[*patch];
            angles.extend(frequencies.iter().map(|f| row as f32 * f));
            angles.extend(frequencies.iter().map(|f| column as f32 * f));
        }
        let in_order = groups.iter().enumerate().all(|(i, group)| i == *group);
        let mut inverse = vec![0_i64; groups.len()];
        for (place, group) in groups.iter().enumerate() {
            inverse[*group] = place as i64;
        }
        let order = order.into_iter().map(|i| i as i64).collect();
        let angles = Some(Angles {
            values: &angles,
            half,
        });
        VisionPlan {
            order: (!in_order).then(|| int_tensor(order, device)),
            inverse: (!in_order).then(|| int_tensor(inverse, device)),
            windows: windows.map(|_| Packing::new(&window_lens, angles, device)),
            pictures: Packing::new(&picture_lens, angles, device),
        }
    }
}
