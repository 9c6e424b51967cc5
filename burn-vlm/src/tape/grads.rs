//! Gradients by parameter, summed over micro-batches.

use burn::{
    module::{Module, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
    tensor::{Gradients, Tensor},
};

/// The gradients of a model, as plain tensors.
///
/// A parameter used twice, such as a tied embedding table, collects the sum.
#[derive(Default)]
pub struct Grads {
    params: GradientsParams,
}

impl Grads {
    /// No gradients yet.
    pub fn new() -> Self {
        Self {
            params: GradientsParams::new(),
        }
    }

    /// Adds a gradient of one parameter.
    pub fn add<const D: usize>(&mut self, id: ParamId, grad: Tensor<D>) {
        let grad = match self.params.remove::<D>(id) {
            Some(sum) => sum + grad,
            None => grad,
        };
        self.params.register(id, grad);
    }

    /// The gradient of one parameter, if it has any.
    pub fn get<const D: usize>(&self, id: ParamId) -> Option<Tensor<D>> {
        self.params.get(id)
    }

    /// Takes the gradient of one parameter.
    pub fn remove<const D: usize>(&mut self, id: ParamId) -> Option<Tensor<D>> {
        self.params.remove(id)
    }

    /// Moves the gradients of `module` out of a finished backward pass.
    pub fn collect<M: Module>(&mut self, found: &mut Gradients, module: &M) {
        let mut part = GradientsParams::from_module(found, module);
        self.drain(&mut part, module);
    }

    /// Adds all gradients of `other`, which belong to `module`.
    pub fn merge<M: Module>(&mut self, mut other: Grads, module: &M) {
        self.drain(&mut other.params, module);
    }

    fn drain<M: Module>(&mut self, from: &mut GradientsParams, module: &M) {
        struct Drain<'a> {
            from: &'a mut GradientsParams,
            to: &'a mut Grads,
        }
        impl ModuleVisitor for Drain<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if let Some(grad) = self.from.remove::<D>(param.id) {
                    self.to.add(param.id, grad);
                }
            }
        }
        module.visit(&mut Drain { from, to: self });
    }
}
