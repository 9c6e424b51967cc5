//! The transformer block that all vision towers share, and the plan of what attends to what.

use super::{
    Linear, RmsNorm, RopeTable,
    attention::{grouped_attention, merge_heads, split_heads},
    lazy_param,
    linear::linears,
    mlp::{FeedForward, FeedForwardKind},
    norm::{Norm, NormKind},
};
use burn::{
    module::{Module, Param},
    tensor::{Bool, Device, Int, Tensor, TensorData},
};

/// What the blocks of a tower are made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VisionBlockConfig {
    /// E, width of a patch embedding.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width inside the feed-forward layer.
    pub inner: usize,
    /// Norms before attention and feed-forward layer.
    pub norm: NormKind,
    /// ε of the norms.
    pub eps: f64,
    /// Feed-forward layer.
    pub mlp: FeedForwardKind,
    /// Whether the fused projection has a bias.
    pub qkv_bias: bool,
    /// Whether queries and keys are normalised over all heads together.
    pub qk_norm: bool,
    /// Whether each branch is scaled, channel by channel, before it is added
    /// ([arXiv:2103.17239](https://arxiv.org/abs/2103.17239)).
    pub layer_scale: bool,
}

/// One pre-norm block.
#[derive(Module, Debug)]
pub struct VisionBlock {
    /// Norm before attention.
    pub norm1: Norm,
    /// Norm before the feed-forward layer.
    pub norm2: Norm,
    /// Attention.
    pub attn: VisionAttention,
    /// Feed-forward layer.
    pub mlp: FeedForward,
    /// `[E]`, scale of the attention branch.
    pub ls1: Option<Param<Tensor<1>>>,
    /// `[E]`, scale of the feed-forward branch.
    pub ls2: Option<Param<Tensor<1>>>,
}

/// Attention with a fused projection, over windows or whole pictures.
#[derive(Module, Debug)]
pub struct VisionAttention {
    /// `[E] → [3E]`
    pub qkv: Linear,
    /// `[E] → [E]`
    pub proj: Linear,
    /// Norm of the queries, all heads together.
    pub q_norm: Option<RmsNorm>,
    /// Norm of the keys, all heads together.
    pub k_norm: Option<RmsNorm>,
    heads: usize,
    windowed: bool,
}

/// Everything about the shapes of a batch of pictures that the blocks need: computed once on the
/// host, used by every block.
#[derive(Debug, Clone)]
pub struct VisionPlan {
    /// Order in which the blocks see the patches; none where it is the order they come in.
    pub(crate) order: Option<Tensor<1, Int>>,
    /// Where each merged group went, to undo `order`.
    pub(crate) inverse: Option<Tensor<1, Int>>,
    /// Segments of windowed blocks; none where no block is windowed.
    pub(crate) windows: Option<Packing>,
    /// Segments of all other blocks.
    pub(crate) pictures: Packing,
}

/// Segments of patches that attend to one another, as rows of a padded batch.
#[derive(Debug, Clone)]
pub(crate) struct Packing {
    /// `[segments, longest]`
    shape: [usize; 2],
    /// Patch of each slot and slot of each patch; none where all segments are equally long.
    ragged: Option<Ragged>,
    /// `[segments, 1, longest, head_dim]`
    rope: Option<RopeTable>,
}

#[derive(Debug, Clone)]
struct Ragged {
    slots: Tensor<1, Int>,
    patches: Tensor<1, Int>,
    /// `[segments, 1, 1, longest]`
    mask: Tensor<4, Bool>,
}

/// One rotary angle per (patch, frequency).
#[derive(Clone, Copy)]
pub(crate) struct Angles<'a> {
    /// `[N, half]` flattened, in radians
    pub values: &'a [f32],
    /// Frequencies: half of a head's width.
    pub half: usize,
}

linears!(VisionBlock { attn, mlp });
linears!(VisionAttention { qkv, proj });

impl VisionBlockConfig {
    /// A block, not yet loaded. A windowed one attends to the windows of the plan.
    pub fn init(&self, windowed: bool, device: &Device) -> VisionBlock {
        let e = self.width;
        let norm = || Norm::new(self.norm, e, self.eps, device);
        let qk_norm = || self.qk_norm.then(|| RmsNorm::new(e, self.eps, device));
        let scale = || self.layer_scale.then(|| lazy_param([e], 1.0, device));
        VisionBlock {
            norm1: norm(),
            norm2: norm(),
            attn: VisionAttention {
                qkv: Linear::new(e, 3 * e, self.qkv_bias, device),
                proj: Linear::new(e, e, true, device),
                q_norm: qk_norm(),
                k_norm: qk_norm(),
                heads: self.heads,
                windowed,
            },
            mlp: FeedForward::new(self.mlp, e, self.inner, device),
            ls1: scale(),
            ls2: scale(),
        }
    }
}

impl VisionBlock {
    /// # Shapes
    /// - input and output: `[N, E]`
    pub fn forward(&self, x: Tensor<2>, plan: &VisionPlan) -> Tensor<2> {
        let scaled = |branch: Tensor<2>, scale: &Option<Param<Tensor<1>>>| match scale {
            Some(scale) => {
                let scale = scale.val().cast(branch.dtype());
                branch * scale.unsqueeze()
            }
            None => branch,
        };
        let attended = self.attn.forward(self.norm1.forward(x.clone()), plan);
        let x = x + scaled(attended, &self.ls1);
        let fed = self.mlp.forward(self.norm2.forward(x.clone()));
        x + scaled(fed, &self.ls2)
    }
}

impl VisionAttention {
    fn forward(&self, x: Tensor<2>, plan: &VisionPlan) -> Tensor<2> {
        let packing = match &plan.windows {
            Some(windows) if self.windowed => windows,
            _ => &plan.pictures,
        };
        let e = x.dims()[1];
        let mut qkv = self.qkv.forward(x);
        if let (Some(q_norm), Some(k_norm)) = (&self.q_norm, &self.k_norm) {
            let part = |part: usize| qkv.clone().narrow(1, part * e, e);
            let (q, k) = (q_norm.forward(part(0)), k_norm.forward(part(1)));
            qkv = Tensor::cat(vec![q, k, part(2)], 1);
        }
        let qkv = packing.pack(qkv);
        let head = |part: usize| split_heads(qkv.clone().narrow(2, part * e, e), self.heads);
        let rotated = |x: Tensor<4>| match &packing.rope {
            Some(rope) => rope.rotate(x),
            None => x,
        };
        let (q, k) = (rotated(head(0)), rotated(head(1)));
        let mask = packing.ragged.as_ref().map(|r| &r.mask);
        let out = packing.unpack(merge_heads(grouped_attention(q, k, head(2), mask)));
        self.proj.forward(out)
    }
}

impl Packing {
    /// `lens` are the lengths of consecutive segments.
    pub(crate) fn new(lens: &[usize], angles: Option<Angles<'_>>, device: &Device) -> Self {
        let longest = lens.iter().copied().max().unwrap_or(0);
        let shape = [lens.len(), longest];
        let (mut slots, mut patches, mut mask, mut padded) = (vec![], vec![], vec![], vec![]);
        let mut first = 0;
        for (segment, len) in lens.iter().enumerate() {
            for slot in 0..longest {
                let patch = first + slot.min(len - 1);
                slots.push(patch as i64);
                mask.push(slot >= *len);
                if let Some(Angles { values, half }) = angles {
                    padded.extend_from_slice(&values[patch * half..(patch + 1) * half]);
                }
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
        let rope = angles.map(|angles| {
            RopeTable::from_angles(&padded, [shape[0], longest, angles.half], device)
        });
        Self {
            shape,
            ragged,
            rope,
        }
    }

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
}

/// `[len]`
pub(crate) fn int_tensor(values: Vec<i64>, device: &Device) -> Tensor<1, Int> {
    let len = values.len();
    Tensor::from_data(TensorData::new(values, [len]), device)
}
