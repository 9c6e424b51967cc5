//! The vision tower: patches in, one feature for each 2×2 group of patches out.

use super::{Qwen2_5VlConfig, VisionConfig};
use crate::nn::{
    Linear, RmsNorm, RopeTable, SwiGlu,
    attention::{grouped_attention, merge_heads, split_heads},
    rope::inverse_frequencies,
};
use burn::{
    module::Module,
    tensor::{Bool, Device, Int, Tensor, TensorData, activation::gelu},
};

/// Base of the rotary frequencies over rows and columns.
const ROPE_THETA: f64 = 10_000.0;

/// The tower. Between [`stem`](Self::stem) and [`finish`](Self::finish) every block maps `[N, E]`
/// to `[N, E]`, so that a tape can stop at each of them.
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

/// One pre-norm block.
#[derive(Module, Debug)]
pub struct VisionBlock {
    /// Norm before attention.
    pub norm1: RmsNorm,
    /// Norm before the feed-forward layer.
    pub norm2: RmsNorm,
    /// Attention.
    pub attn: VisionAttention,
    /// Feed-forward layer.
    pub mlp: SwiGlu,
}

/// Attention with a fused projection, over windows or whole pictures.
#[derive(Module, Debug)]
pub struct VisionAttention {
    /// `[E] → [3E]`
    pub qkv: Linear,
    /// `[E] → [E]`
    pub proj: Linear,
    heads: usize,
    full: bool,
}

/// `[N, E] → [N / merge², D]`
#[derive(Module, Debug)]
pub struct Merger {
    /// Norm of each patch.
    pub ln_q: RmsNorm,
    /// `[merge² · E] → [merge² · E]`
    pub fc1: Linear,
    /// `[merge² · E] → [D]`
    pub fc2: Linear,
}

/// Everything about the shapes of a batch of pictures that the blocks need: computed once on the
/// host, used by every block.
#[derive(Debug, Clone)]
pub struct VisionPlan {
    /// Window order of the patches; none where it is the order they come in.
    order: Option<Tensor<1, Int>>,
    /// Where each merged group went, to undo `order`.
    inverse: Option<Tensor<1, Int>>,
    windows: Packing,
    pictures: Packing,
}

/// Segments of patches that attend to one another, as rows of a padded batch.
#[derive(Debug, Clone)]
struct Packing {
    /// `[segments, longest]`
    shape: [usize; 2],
    /// Patch of each slot and slot of each patch; none where all segments are equally long.
    ragged: Option<Ragged>,
    /// `[segments, 1, longest, head_dim]`
    rope: RopeTable,
}

#[derive(Debug, Clone)]
struct Ragged {
    slots: Tensor<1, Int>,
    patches: Tensor<1, Int>,
    /// `[segments, 1, 1, longest]`
    mask: Tensor<4, Bool>,
}

impl VisionTower {
    /// A tower of the configured size, not yet loaded.
    pub fn new(config: &VisionConfig, device: &Device) -> Self {
        let e = config.hidden_size;
        let patch = config.in_channels * config.temporal_patch_size * config.patch_size.pow(2);
        let group = e * config.spatial_merge_size.pow(2);
        let block = |index| VisionBlock {
            norm1: RmsNorm::new(e, 1e-6, device),
            norm2: RmsNorm::new(e, 1e-6, device),
            attn: VisionAttention {
                qkv: Linear::new(e, 3 * e, true, device),
                proj: Linear::new(e, e, true, device),
                heads: config.num_heads,
                full: config.fullatt_block_indexes.contains(&index),
            },
            mlp: SwiGlu::new(e, config.intermediate_size, true, device),
        };
        Self {
            patch_embed: PatchEmbed {
                proj: Linear::new(patch, e, false, device),
            },
            blocks: (0..config.depth).map(block).collect(),
            merger: Merger {
                ln_q: RmsNorm::new(e, 1e-6, device),
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

    /// The whole tower.
    ///
    /// # Shapes
    /// - patches: `[N, C·T·P·P]`
    /// - output: `[N / merge², D]`
    pub fn forward(&self, patches: Tensor<2>, plan: &VisionPlan) -> Tensor<2> {
        let x = self.stem(patches, plan);
        let x = self
            .blocks
            .iter()
            .fold(x, |x, block| block.forward(x, plan));
        self.finish(x, plan)
    }
}

impl VisionBlock {
    /// # Shapes
    /// - input and output: `[N, E]`
    pub fn forward(&self, x: Tensor<2>, plan: &VisionPlan) -> Tensor<2> {
        let x = x.clone() + self.attn.forward(self.norm1.forward(x), plan);
        x.clone() + self.mlp.forward(self.norm2.forward(x))
    }
}

impl VisionAttention {
    fn forward(&self, x: Tensor<2>, plan: &VisionPlan) -> Tensor<2> {
        let packing = if self.full {
            &plan.pictures
        } else {
            &plan.windows
        };
        let e = x.dims()[1];
        let qkv = packing.pack(self.qkv.forward(x));
        let head = |part: usize| split_heads(qkv.clone().narrow(2, part * e, e), self.heads);
        let (q, k) = (packing.rope.rotate(head(0)), packing.rope.rotate(head(1)));
        let mask = packing.ragged.as_ref().map(|r| &r.mask);
        let out = packing.unpack(merge_heads(grouped_attention(q, k, head(2), mask)));
        self.proj.forward(out)
    }
}

impl Packing {
    fn pack(&self, x: Tensor<2>) -> Tensor<3> {
        let width = x.dims()[1];
        let x = match &self.ragged {
            Some(ragged) => x.select(0, ragged.slots.clone()),
            None => x,
        };
        x.reshape([self.shape[0], self.shape[1], width])
    }

    fn unpack(&self, x: Tensor<3>) -> Tensor<2> {
        let [segments, longest, width] = x.dims();
        let x = x.reshape([segments * longest, width]);
        match &self.ragged {
            Some(ragged) => x.select(0, ragged.patches.clone()),
            None => x,
        }
    }

    /// `lens` are the lengths of consecutive segments, `angles` the rotation of every patch.
    fn new(lens: &[usize], angles: &[f32], half: usize, device: &Device) -> Self {
        let longest = lens.iter().copied().max().unwrap_or(0);
        let shape = [lens.len(), longest];
        let (mut slots, mut patches, mut mask, mut padded) = (vec![], vec![], vec![], vec![]);
        let mut first = 0;
        for (segment, len) in lens.iter().enumerate() {
            for slot in 0..longest {
                let patch = first + slot.min(len - 1);
                slots.push(patch as i64);
                mask.push(slot >= *len);
                padded.extend_from_slice(&angles[patch * half..(patch + 1) * half]);
                if slot < *len {
                    patches.push((segment * longest + slot) as i64);
                }
            }
            first += len;
        }
        let ragged = mask.contains(&true).then(|| Ragged {
            slots: int_tensor(slots, device),
            patches: int_tensor(patches, device),
            mask: Tensor::from_data(TensorData::new(mask, [shape[0], 1, 1, longest]), device),
        });
        Self {
            shape,
            ragged,
            rope: RopeTable::from_angles(&padded, [shape[0], longest, half], device),
        }
    }
}

impl VisionPlan {
    /// Plans the attention of a batch of pictures.
    ///
    /// `grids` are `[t, h, w]` in patches, each side a multiple of the merge size.
    pub fn new(config: &VisionConfig, grids: &[[usize; 3]], device: &Device) -> Self {
        let merge = config.spatial_merge_size;
        let unit = merge * merge;
        let window = config.window_size / merge / config.patch_size;
        let head_dim = config.hidden_size / config.num_heads;
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
                    for row in top..rows.min(top + window) {
                        groups.extend(
                            (left..columns.min(left + window)).map(|c| first + row * columns + c),
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
        Self {
            order: (!in_order).then(|| int_tensor(order, device)),
            inverse: (!in_order).then(|| int_tensor(inverse, device)),
            windows: Packing::new(&window_lens, &angles, half, device),
            pictures: Packing::new(&picture_lens, &angles, half, device),
        }
    }
}

impl Qwen2_5VlConfig {
    /// Image features that a picture of `grid` patches becomes.
    pub fn image_tokens(&self, [t, h, w]: [usize; 3]) -> usize {
        t * h * w / self.vision.spatial_merge_size.pow(2)
    }
}

fn int_tensor(values: Vec<i64>, device: &Device) -> Tensor<1, Int> {
    let len = values.len();
    Tensor::from_data(TensorData::new(values, [len]), device)
}
