//! The transformer block that all vision towers share, and the plan of what attends to what.

use super::{
    Linear, RmsNorm, linears,
    mlp::{FeedForward, FeedForwardKind},
    norm::{Norm, NormKind},
    packing::{Angles, Packing},
    tensors::lazy_param,
};
use burn::{
    module::{Module, Param},
    tensor::{DType, Device, Int, Tensor},
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
    pub order: Option<Tensor<1, Int>>,
    /// Where each merged group went, to undo `order`.
    pub inverse: Option<Tensor<1, Int>>,
    /// Segments of windowed blocks; none where no block is windowed.
    pub windows: Option<Packing>,
    /// Segments of all other blocks.
    pub pictures: Packing,
    /// Where the patches are in a table of positions; none where that does not depend on the
    /// picture.
    pub positions: Option<Resampling>,
}

/// Rows of a table, mixed: each patch has the sum of some rows, each times its share.
#[derive(Debug, Clone)]
pub struct Resampling {
    /// One row for each patch, `[N]`, with its share, `[N, 1]`.
    pub taps: Vec<(Tensor<1, Int>, Tensor<2>)>,
}

impl Resampling {
    /// # Shapes
    /// - table: `[rows, E]`
    /// - output: `[N, E]`, in f32
    pub fn of(&self, table: Tensor<2>) -> Tensor<2> {
        let table = table.cast(DType::F32);
        let mut taps = self.taps.iter();
        let mixed = |(rows, shares): &(Tensor<1, Int>, Tensor<2>)| {
            table.clone().select(0, rows.clone()) * shares.clone()
        };
        let first = taps.next().map(&mixed).expect("a row for each patch");
        taps.fold(first, |sum, tap| sum + mixed(tap))
    }
}

impl VisionPlan {
    /// Attention within consecutive segments of these lengths, patches in the order they come in.
    /// `angles` rotate queries and keys.
    pub fn new(lens: &[usize], angles: Option<Angles<'_>>, device: &Device) -> Self {
        Self {
            order: None,
            inverse: None,
            windows: None,
            pictures: Packing::new(lens, angles, device),
            positions: None,
        }
    }
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
        self.proj.forward(packing.attend(qkv, self.heads))
    }
}
