//! Gradients by parameter, summed over micro-batches.

use super::rows::{RowSum, TableGrads, scatter_rows};
use crate::{
    device::runs_on_host,
    host::{self, HostTensor},
};
use burn::{
    module::{Module, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
    tensor::{DType, Gradients, Int, Tensor},
};
use std::collections::HashMap;

/// The gradients of a model, as plain tensors.
///
/// A parameter used twice, such as a tied embedding table, collects the sum.
#[derive(Default)]
pub struct Grads {
    params: GradientsParams,
    /// What comes on top for embedding tables, on a host.
    tables: HashMap<ParamId, TableGrads>,
}

impl Grads {
    /// No gradients yet.
    pub fn new() -> Self {
        Self {
            params: GradientsParams::new(),
            tables: HashMap::new(),
        }
    }

    /// Adds a gradient of one parameter.
    pub fn add<const D: usize>(&mut self, id: ParamId, grad: Tensor<D>) {
        let grad = match self.params.remove::<D>(id) {
            Some(sum) => sum_of(sum, grad),
            None => contiguous(grad),
        };
        self.params.register(id, grad);
    }

    /// Lets `work` add to a gradient `[V, D]` some rows at a time, and returns what it finds.
    pub(super) fn add_rows<R>(
        &mut self,
        table: &Param<Tensor<2>>,
        work: impl FnOnce(&mut RowSum) -> R,
    ) -> R {
        let dense = self.params.remove::<2>(table.id);
        let mut sum = RowSum::new(dense.unwrap_or_else(|| zeros(table)));
        let found = work(&mut sum);
        self.params.register(table.id, sum.finish());
        found
    }

    /// Adds the gradients of rows that were read from an embedding table. On a host they are kept as
    /// rows: a table has many more.
    ///
    /// # Shapes
    /// - ids: `[n]`; part: `[n, D]`
    pub(super) fn add_read(
        &mut self,
        table: &Param<Tensor<2>>,
        ids: Tensor<1, Int>,
        part: Tensor<2>,
    ) {
        let device = part.device();
        if !runs_on_host(&device) {
            let dense = self.params.remove::<2>(table.id);
            let sum = scatter_rows(dense.unwrap_or_else(|| zeros(table)), ids, part);
            return self.params.register(table.id, sum);
        }
        let shape = table.lazy_shape().dims();
        let fresh = || TableGrads::new(shape, &device);
        self.tables
            .entry(table.id)
            .or_insert_with(fresh)
            .add(ids, part);
    }

    /// The gradient of one parameter, if it has any.
    pub fn get<const D: usize>(&self, id: ParamId) -> Option<Tensor<D>> {
        let dense = self.params.get(id);
        match self.tables.get(&id) {
            Some(table) => Some(onto(table, dense)),
            None => dense,
        }
    }

    /// Takes the gradient of one parameter.
    pub fn remove<const D: usize>(&mut self, id: ParamId) -> Option<Tensor<D>> {
        let dense = self.params.remove(id);
        match self.tables.remove(&id) {
            Some(table) => Some(onto(&table, dense)),
            None => dense,
        }
    }

    /// Moves the gradients of `module` out of a finished backward pass.
    pub fn collect<M: Module>(&mut self, found: &mut Gradients, module: &M) {
        let mut part = GradientsParams::from_module(found, module);
        self.drain(&mut part, module);
    }

    /// Adds all gradients of `other`, which belong to `module`.
    pub fn merge<M: Module>(&mut self, mut other: Grads, module: &M) {
        self.drain(&mut other.params, module);
        for (id, table) in other.tables {
            match self.tables.get_mut(&id) {
                Some(sum) => sum.merge(&table),
                None => drop(self.tables.insert(id, table)),
            }
        }
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

/// The same values in their order; on a host that is made of a transposed view here, where several
/// micro-batches are at work, and not where their gradients are summed.
fn contiguous<const D: usize>(grad: Tensor<D>) -> Tensor<D> {
    match grad.dtype() == DType::F32 && runs_on_host(&grad.device()) {
        true => HostTensor::take(grad).give_back(),
        false => grad,
    }
}

/// `a + b`; on a host in place, on all cores.
fn sum_of<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    let is_f32 = a.dtype() == DType::F32 && b.dtype() == DType::F32;
    if !is_f32 || !runs_on_host(&a.device()) {
        return a + b;
    }
    let b = HostTensor::take(b);
    host::in_place(a, |a| host::add(a, b.values()))
}

fn zeros(param: &Param<Tensor<2>>) -> Tensor<2> {
    let shape: [usize; 2] = param.lazy_shape().dims();
    Tensor::zeros(shape, (&param.lazy_device(), DType::F32))
}

/// A table has two dimensions; D is what the caller calls them by.
fn onto<const D: usize>(table: &TableGrads, dense: Option<Tensor<D>>) -> Tensor<D> {
    let dense = dense.map(|dense| {
        let [v, d] = [dense.dims()[0], dense.dims()[1]];
        dense.reshape([v, d])
    });
    let sum = table.onto(dense);
    let mut shape = [1; D];
    shape[..2].copy_from_slice(&sum.dims());
    sum.reshape(shape)
}
