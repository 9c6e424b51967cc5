//! Grouped-query attention, without any cache or projection.

use burn::tensor::{Bool, DType, Tensor, activation::softmax};

/// A score this low is as good as none, and keeps a row whose keys are all masked finite.
const MASKED: f32 = -1.0e30;

/// Scaled dot-product attention in which each key-value head serves `H / K` query heads.
///
/// The query heads of a group are folded into the rows of one matrix product, so keys and values
/// are never repeated. Softmax runs in f32.
///
/// # Shapes
/// - q: `[B, H, T, d]`; k, v: `[B, K, S, d]`
/// - mask: `[B or 1, 1, T or 1, S]`, true where a key must not be seen
/// - output: `[B, H, T, d]`
pub fn grouped_attention(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    mask: Option<&Tensor<4, Bool>>,
) -> Tensor<4> {
    let [b, h, t, d] = q.dims();
    let [_, kv, s, _] = k.dims();
    let group = h / kv;
    let dtype = q.dtype();
    let q = q
        .mul_scalar(1.0 / (d as f64).sqrt())
        .reshape([b, kv, group * t, d]);
    let mut scores = q.matmul(k.transpose()).cast(DType::F32);
    if let Some(mask) = mask {
        let mask = mask.clone().unsqueeze_dim::<5>(1);
        scores = scores
            .reshape([b, kv, group, t, s])
            .mask_fill(mask.expand([b, kv, group, t, s]), MASKED)
            .reshape([b, kv, group * t, s]);
    }
    softmax(scores, 3)
        .cast(dtype)
        .matmul(v)
        .reshape([b, h, t, d])
}

/// `[B, T, heads · d] → [B, heads, T, d]`
pub fn split_heads(x: Tensor<3>, heads: usize) -> Tensor<4> {
    let [b, t, width] = x.dims();
    x.reshape([b, t, heads, width / heads]).swap_dims(1, 2)
}

/// `[B, heads, T, d] → [B, T, heads · d]`
pub fn merge_heads(x: Tensor<4>) -> Tensor<3> {
    let [b, h, t, d] = x.dims();
    x.swap_dims(1, 2).reshape([b, t, h * d])
}
