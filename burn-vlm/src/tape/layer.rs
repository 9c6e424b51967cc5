//! The backward pass of a block of the decoder around its attention, which has its own.

use super::{Grads, reach::Stage};
use crate::{
    freeze::is_trainable,
    nn::{DecoderLayer, RopeTable, Segments},
};
use burn::{module::Module, tensor::Tensor};

/// Adds the gradients of what a block trains and returns that of its input, if anything before it is
/// trained. What is before and after attention is run again under autodiff; attention itself is not
/// recorded, so that its scores never exist together.
///
/// # Shapes
/// - x and up: `[1, N, D]`
pub(super) fn layer_backward(
    stage: Stage,
    layer: &DecoderLayer,
    x: Tensor<3>,
    up: Tensor<3>,
    grads: &mut Grads,
    rope: &RopeTable,
    segments: &Segments,
) -> Option<Tensor<3>> {
    let tracked = layer.clone().train();
    let leaf = |x: &Tensor<3>| {
        let x = x.clone().autodiff();
        if stage.below { x.require_grad() } else { x }
    };
    let input = leaf(&x);
    let heads = tracked.before_attention(input.clone(), rope);
    let [q, k, v] = heads.clone().map(Tensor::inner);
    let attended = segments.attend(q.clone(), k.clone(), v.clone());
    let attended = attended.autodiff().require_grad();

    let residual = leaf(&x);
    let y = tracked.after_attention(residual.clone(), attended.clone());
    let mut found = (y * up.autodiff()).sum().backward();
    grads.collect(&mut found, &tracked);
    let d_attended = attended.grad_remove(&mut found);
    let d_residual = residual.grad_remove(&mut found);
    drop(found);

    let attention = &layer.self_attn;
    let is_trained_before = is_trainable(&layer.input_layernorm)
        || [&attention.q_proj, &attention.k_proj, &attention.v_proj]
            .into_iter()
            .any(is_trainable);
    let mut d_input = None;
    if let (Some(d), true) = (d_attended, stage.below || is_trained_before) {
        let found = segments.backward(q, k, v, d);
        let terms = heads.into_iter().zip(found);
        let terms = terms.map(|(x, d)| (x * d.autodiff()).sum());
        if let Some(sum) = terms.reduce(|a, b| a + b) {
            let mut found = sum.backward();
            grads.collect(&mut found, &tracked);
            d_input = input.grad_remove(&mut found);
        }
    }
    match (d_residual, d_input) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}
