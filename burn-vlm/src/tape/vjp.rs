//! The backward pass of one part of the model.

use super::Grads;
use burn::{module::Module, tensor::Tensor};

/// Adds the gradients of `sum(f(module, x) · upstream)` by the parameters to `grads` and returns
/// its gradient by `x`.
pub(super) fn vjp<M: Module, const X: usize, const Y: usize>(
    module: &M,
    x: Tensor<X>,
    upstream: Tensor<Y>,
    grads: &mut Grads,
    f: impl Fn(&M, Tensor<X>) -> Tensor<Y>,
) -> Tensor<X> {
    let module = module.clone().train();
    let x = x.autodiff().require_grad();
    let y = f(&module, x.clone());
    let mut found = (y * upstream.autodiff()).sum().backward();
    grads.collect(&mut found, &module);
    x.grad_remove(&mut found)
        .expect("the output of a block depends on its input")
}

/// As [`vjp`], for a part whose input has no gradient.
pub(super) fn of_parameters<M: Module, const Y: usize>(
    module: &M,
    upstream: Tensor<Y>,
    grads: &mut Grads,
    f: impl Fn(&M) -> Tensor<Y>,
) {
    let module = module.clone().train();
    let mut found = (f(&module) * upstream.autodiff()).sum().backward();
    grads.collect(&mut found, &module);
}
