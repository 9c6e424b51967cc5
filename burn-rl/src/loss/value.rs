//! What the critic is trained to: the returns.

use burn::tensor::Tensor;

/// `½ max((V − R)², (clip(V, V_old ± ε) − R)²)` for every token: `[B, R]`.
///
/// The clip is that of the authors' code of PPO
/// (<https://github.com/openai/baselines>, `ppo2/model.py`); the paper has the plain square
/// ([arXiv:1707.06347](https://arxiv.org/abs/1707.06347), equation 9).
pub fn value_loss(
    values: Tensor<2>,
    old_values: Tensor<2>,
    returns: Tensor<2>,
    clip: Option<f64>,
) -> Tensor<2> {
    let error = (values.clone() - returns.clone()).square();
    let Some(range) = clip else {
        return error.mul_scalar(0.5);
    };
    let moved = values - old_values.clone();
    let kept = old_values + moved.clamp(-range, range);
    let clipped = (kept - returns).square();
    // The greater of the two; where both are equal the gradient is that of the plain square.
    let greater = clipped.clone().greater(error.clone());
    error.mask_where(greater, clipped).mul_scalar(0.5)
}
