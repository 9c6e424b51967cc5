//! Grouped-query attention, without any cache or projection.

use burn::tensor::{Bool, DType, Tensor, activation::softmax};

/// A score this low is as good as none, and keeps a row whose keys are all masked finite.
const MASKED: f32 = -1.0e30;

/// Most scores of a head that exist at a time, in all rows: 64 MiB in f32.
pub(crate) const SCORES: usize = 1 << 24;

/// Scaled dot-product attention in which each key-value head serves `H / K` query heads.
///
/// The query heads of a group are folded into the rows of one matrix product, so keys and values
/// are never repeated. Softmax runs in f32. Of many queries some are taken at a time, so that
/// scores of a large picture never exist all together.
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
    let [b, _, t, _] = q.dims();
    let at_a_time = (SCORES / (b * k.dims()[2]).max(1)).max(1);
    if t <= at_a_time {
        return attend(q, k, v, mask.cloned());
    }
    let some = |first: usize| {
        let n = at_a_time.min(t - first);
        let own = |mask: &Tensor<4, Bool>| match mask.dims()[2] {
            1 => mask.clone(),
            _ => mask.clone().narrow(2, first, n),
        };
        let q = q.clone().narrow(2, first, n);
        attend(q, k.clone(), v.clone(), mask.map(own))
    };
    Tensor::cat((0..t).step_by(at_a_time).map(some).collect(), 2)
}

/// Attention of all queries at once.
fn attend(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, mask: Option<Tensor<4, Bool>>) -> Tensor<4> {
    let [b, h, t, d] = q.dims();
    let [_, kv, s, _] = k.dims();
    let group = h / kv;
    let dtype = q.dtype();
    let q = q
        .mul_scalar(1.0 / (d as f64).sqrt())
        .reshape([b, kv, group * t, d]);
    let mut scores = q.matmul(k.transpose()).cast(DType::F32);
    if let Some(mask) = mask {
        let mask = mask.unsqueeze_dim::<5>(1);
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

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution, Int};

    #[test]
    fn queries_in_turn_see_what_they_see_together() {
        let device = Device::flex();
        device.seed(7);
        let random =
            |heads, n| Tensor::<4>::random([1, heads, n, 2], Distribution::Default, &device);
        let (t, s) = (4000, 4300);
        assert!(t * s > SCORES);
        let (q, k, v) = (random(2, t), random(1, s), random(1, s));
        let query = Tensor::<1, Int>::arange(0..t as i64, &device).reshape([1, 1, t, 1]);
        let key = Tensor::<1, Int>::arange(0..s as i64, &device).reshape([1, 1, 1, s]);
        let causal = key
            .clone()
            .expand([1, 1, t, s])
            .greater(query.expand([1, 1, t, s]));
        let padding = key.lower_elem(9);
        for mask in [causal, padding] {
            let whole = attend(q.clone(), k.clone(), v.clone(), Some(mask.clone()));
            let found = grouped_attention(q.clone(), k.clone(), v.clone(), Some(&mask));
            let off: f32 = (whole - found).abs().max().into_scalar();
            assert!(off < 1e-6, "{off}");
        }
    }
}
