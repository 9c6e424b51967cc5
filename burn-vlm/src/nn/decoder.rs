//! The text decoder that all families share: pre-norm blocks of grouped attention and SwiGLU.

use super::{
    CacheSizes, KvCache, Linear, RmsNorm, Rope, RopeScaling, RopeTable, Segments, SwiGlu,
    attention::{grouped_attention, merge_heads, split_heads},
    linears,
    tensors::lazy_param,
};
use crate::precision::Compute;
use burn::{
    module::{Module, Param},
    tensor::{Bool, Device, Int, Tensor},
};

/// Sizes of a [`TextDecoder`], as [`TextSection::read`](crate::models::TextSection::read) reads
/// them; a family changes what is its own.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DecoderConfig {
    /// V, rows of the embedding table.
    pub vocab_size: usize,
    /// D, width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the feed-forward layers.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// H, query heads.
    pub num_attention_heads: usize,
    /// K, key-value heads.
    pub num_key_value_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// ε of every RMSNorm.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// What is done to positions beyond that.
    pub rope_scaling: RopeScaling,
    /// Whether the query, key and value projections have a bias.
    pub qkv_bias: bool,
    /// Whether the output projection of attention has a bias.
    pub o_bias: bool,
    /// Whether the feed-forward layers have biases.
    pub mlp_bias: bool,
    /// Whether each head of queries and keys is normalised before it is rotated, by one weight for
    /// all heads of either.
    pub qk_norm: bool,
}

/// What every block of one forward pass shares.
#[derive(Debug, Clone)]
pub struct DecoderContext {
    /// Rotation of each position.
    pub rope: RopeTable,
    /// `[B, 1, T, T]`, true where a key must not be seen; none where rows are one after the other
    /// and [`Segments`] say what sees what.
    pub mask: Option<Tensor<4, Bool>>,
}

/// Token embeddings, blocks and the final norm. The head is the model's.
#[derive(Module, Debug)]
pub struct TextDecoder {
    /// The embedding table.
    pub embed_tokens: Embedding,
    /// The blocks, first to last.
    pub layers: Vec<DecoderLayer>,
    /// The norm before the head.
    pub norm: RmsNorm,
    kv_heads: usize,
    head_dim: usize,
}

/// The token embedding table.
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[V, D]`
    pub weight: Param<Tensor<2>>,
    /// What the model computes in.
    #[module(skip)]
    pub(crate) compute: Compute,
}

/// One block: `x + attention(norm(x))`, then `x + mlp(norm(x))`.
#[derive(Module, Debug)]
pub struct DecoderLayer {
    /// Norm before attention.
    pub input_layernorm: RmsNorm,
    /// Attention.
    pub self_attn: SelfAttention,
    /// Norm before the feed-forward layer.
    pub post_attention_layernorm: RmsNorm,
    /// Feed-forward layer.
    pub mlp: SwiGlu,
}

/// Grouped-query self-attention with rotary positions.
#[derive(Module, Debug)]
pub struct SelfAttention {
    /// `[D] → [H · head_dim]`
    pub q_proj: Linear,
    /// `[D] → [K · head_dim]`
    pub k_proj: Linear,
    /// `[D] → [K · head_dim]`
    pub v_proj: Linear,
    /// `[H · head_dim] → [D]`
    pub o_proj: Linear,
    /// Norm of each query head.
    pub q_norm: Option<RmsNorm>,
    /// Norm of each key head.
    pub k_norm: Option<RmsNorm>,
    heads: usize,
    kv_heads: usize,
}

linears!(TextDecoder { layers });
linears!(DecoderLayer { self_attn, mlp });
linears!(SelfAttention {
    q_proj,
    k_proj,
    v_proj,
    o_proj
});

impl DecoderConfig {
    /// A decoder of this size that computes in `compute`, not yet loaded.
    pub fn init(&self, compute: Compute, device: &Device) -> TextDecoder {
        TextDecoder {
            embed_tokens: Embedding {
                weight: lazy_param([self.vocab_size, self.hidden_size], 0.0, device),
                compute,
            },
            layers: (0..self.num_hidden_layers)
                .map(|_| self.layer(device))
                .collect(),
            norm: RmsNorm::new(self.hidden_size, self.rms_norm_eps, device),
            kv_heads: self.num_key_value_heads,
            head_dim: self.head_dim,
        }
    }

    /// The rotary embedding of its heads.
    pub fn rope(&self) -> Rope {
        Rope::new(self.head_dim, self.rope_theta, &self.rope_scaling)
    }

    fn layer(&self, device: &Device) -> DecoderLayer {
        let (d, q, kv) = (
            self.hidden_size,
            self.num_attention_heads * self.head_dim,
            self.num_key_value_heads * self.head_dim,
        );
        let norm = || RmsNorm::new(d, self.rms_norm_eps, device);
        let head_norm = || {
            let norm = || RmsNorm::new(self.head_dim, self.rms_norm_eps, device);
            self.qk_norm.then(norm)
        };
        DecoderLayer {
            input_layernorm: norm(),
            self_attn: SelfAttention {
                q_proj: Linear::new(d, q, self.qkv_bias, device),
                k_proj: Linear::new(d, kv, self.qkv_bias, device),
                v_proj: Linear::new(d, kv, self.qkv_bias, device),
                o_proj: Linear::new(q, d, self.o_bias, device),
                q_norm: head_norm(),
                k_norm: head_norm(),
                heads: self.num_attention_heads,
                kv_heads: self.num_key_value_heads,
            },
            post_attention_layernorm: norm(),
            mlp: SwiGlu::new(d, self.intermediate_size, self.mlp_bias, device),
        }
    }
}

impl Embedding {
    /// # Shapes
    /// - tokens: `[B, T]`
    /// - output: `[B, T, D]`
    pub fn forward(&self, tokens: Tensor<2, Int>) -> Tensor<3> {
        burn::tensor::module::embedding(self.weight.val(), tokens).cast(self.compute.dtype())
    }
}

impl TextDecoder {
    /// Reads one more token of every row of `cache`, which [begun](KvCache::arrange) it.
    ///
    /// # Shapes
    /// - input and output: `[B, 1, D]`, from embedded tokens to before the final norm
    pub fn decode(&self, mut x: Tensor<3>, rope: &RopeTable, cache: &mut dyn KvCache) -> Tensor<3> {
        for (index, layer) in self.layers.iter().enumerate() {
            let [q, k, v] = layer.before_attention(x.clone(), rope);
            x = layer.after_attention(x, cache.attend(index, q, k, v));
        }
        cache.advance();
        x
    }

    /// Sizes of what a cache keeps.
    pub fn cache_sizes(&self) -> CacheSizes {
        CacheSizes {
            layers: self.layers.len(),
            kv_heads: self.kv_heads,
            head_dim: self.head_dim,
            dtype: self.embed_tokens.compute.dtype(),
        }
    }
}

impl DecoderLayer {
    /// Rows of a padded batch.
    ///
    /// # Shapes
    /// - input and output: `[B, T, D]`
    pub fn forward(&self, x: Tensor<3>, ctx: &DecoderContext) -> Tensor<3> {
        let [q, k, v] = self.before_attention(x.clone(), &ctx.rope);
        self.after_attention(x, grouped_attention(q, k, v, ctx.mask.as_ref()))
    }

    /// Sequences one after the other in a row, which see what `segments` says.
    ///
    /// # Shapes
    /// - input and output: `[1, N, D]`
    pub fn forward_segments(
        &self,
        x: Tensor<3>,
        rope: &RopeTable,
        segments: &Segments,
    ) -> Tensor<3> {
        let [q, k, v] = self.before_attention(x.clone(), rope);
        self.after_attention(x, segments.attend(q, k, v))
    }

    /// Queries, keys and values.
    ///
    /// # Shapes
    /// - input: `[B, T, D]`
    /// - output: `[B, H, T, head_dim]`, and `[B, K, T, head_dim]` twice
    pub(crate) fn before_attention(&self, x: Tensor<3>, rope: &RopeTable) -> [Tensor<4>; 3] {
        self.self_attn.heads(self.input_layernorm.forward(x), rope)
    }

    /// What comes after the heads have attended.
    ///
    /// # Shapes
    /// - x and output: `[B, T, D]`; attended: `[B, H, T, head_dim]`
    pub(crate) fn after_attention(&self, x: Tensor<3>, attended: Tensor<4>) -> Tensor<3> {
        let attended = self.self_attn.o_proj.forward(merge_heads(attended));
        self.feed_forward(x + attended)
    }

    fn feed_forward(&self, x: Tensor<3>) -> Tensor<3> {
        x.clone() + self.mlp.forward(self.post_attention_layernorm.forward(x))
    }
}

impl SelfAttention {
    /// Queries and keys, normalised where there are norms and then rotated, and values.
    fn heads(&self, x: Tensor<3>, rope: &RopeTable) -> [Tensor<4>; 3] {
        let q = split_heads(self.q_proj.forward(x.clone()), self.heads);
        let k = split_heads(self.k_proj.forward(x.clone()), self.kv_heads);
        let v = split_heads(self.v_proj.forward(x), self.kv_heads);
        let normed = |x: Tensor<4>, norm: &Option<RmsNorm>| match norm {
            Some(norm) => norm.forward(x),
            None => x,
        };
        let (q, k) = (normed(q, &self.q_norm), normed(k, &self.k_norm));
        [rope.rotate(q), rope.rotate(k), v]
    }
}
