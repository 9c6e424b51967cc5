//! Sums of gradients over replicas.
//!
//! What is summed are the gradients that a replica has accumulated over its micro-batches: once an
//! optimiser step, not once a backward pass.

use super::{Replica, replica::Group};
use crate::error::RlError;
use burn::{
    module::ParamId,
    tensor::{
        DType, Device, Tensor,
        distributed::{CollectiveTensor, ReduceOperation, all_reduce},
    },
};
use burn_vlm::{
    Vlm,
    tape::Grads,
    weights::{TensorVisitor, for_each_tensor},
};
use std::mem;

/// The gradient of each parameter in module order, flattened; none where it has none.
type Flat = Vec<Option<Tensor<1>>>;

/// The sum over all replicas, which all have to ask for it.
pub(super) fn sum(
    replica: &Replica,
    group: &Group,
    own: Grads,
    model: &Vlm,
) -> Result<Grads, RlError> {
    let mut flat = flatten(own, model);
    let device = &group.devices[replica.rank()].device;
    let summed = match group.nccl {
        true => by_nccl(replica, group, flat.gradients, &flat.lengths, device)?,
        false => in_turn(replica, flat.gradients, device)?,
    };
    flat.gradients = summed;
    Ok(unflatten(flat.gradients, model))
}

/// Each replica sums every n-th parameter over all in the order of ranks and gives the others what
/// it found: the order of the additions is fixed, so the sum is the same in every run.
fn in_turn(replica: &Replica, own: Flat, device: &Device) -> Result<Flat, RlError> {
    let mut all = replica.gather("gradients", own)?;
    let parameters = all[0].len();
    let mine = (replica.rank()..parameters).step_by(replica.count());
    let sum_of = |i: usize| {
        let parts = all.iter_mut().filter_map(|flat| flat[i].take());
        let parts = parts.map(|grad| grad.to_device(device));
        (i, parts.reduce(|sum, grad| sum + grad))
    };
    let sums: Vec<(usize, Option<Tensor<1>>)> = mine.map(sum_of).collect();
    drop(all);
    let mut summed: Flat = vec![None; parameters];
    for (i, sum) in replica
        .gather("sums of gradients", sums)?
        .into_iter()
        .flatten()
    {
        summed[i] = sum.map(|sum| sum.to_device(device));
    }
    Ok(summed)
}

/// Sums on the devices, which hold all replicas' gradients at no time.
fn by_nccl(
    replica: &Replica,
    group: &Group,
    own: Flat,
    lengths: &[usize],
    device: &Device,
) -> Result<Flat, RlError> {
    // A device that is missing from a sum leaves the others waiting for ever: all are here, and
    // all take part in the same sums.
    let dtypes = |flat: &Flat| -> Vec<Option<DType>> {
        flat.iter()
            .map(|grad| grad.as_ref().map(Tensor::dtype))
            .collect()
    };
    let known = replica.gather("kinds of gradients", dtypes(&own))?;
    let devices: Vec<Device> = group.devices.iter().map(|p| p.device.clone()).collect();
    let start = |(i, own): (usize, Option<Tensor<1>>)| -> Option<CollectiveTensor<1>> {
        let dtype = known.iter().find_map(|dtypes| dtypes[i])?;
        let own = own.unwrap_or_else(|| Tensor::zeros([lengths[i]], (device, dtype)));
        Some(all_reduce(own, ReduceOperation::Sum, devices.clone()))
    };
    // All are under way before one is waited for.
    let started: Vec<_> = own.into_iter().enumerate().map(start).collect();
    Ok(started
        .into_iter()
        .map(|sum| sum.map(CollectiveTensor::resolve))
        .collect())
}

/// Gradients apart from their parameters.
struct Flattened {
    gradients: Flat,
    /// Numbers of values, by parameter.
    lengths: Vec<usize>,
}

fn flatten(grads: Grads, model: &Vlm) -> Flattened {
    struct Take {
        grads: Grads,
        flat: Flattened,
    }
    impl TensorVisitor for Take {
        fn visit<const D: usize>(&mut self, _: &str, id: ParamId, tensor: Tensor<D>) {
            let n: usize = tensor.dims().iter().product();
            let grad = self.grads.remove::<D>(id);
            self.flat.gradients.push(grad.map(|grad| grad.reshape([n])));
            self.flat.lengths.push(n);
        }
    }
    let (gradients, lengths) = (vec![], vec![]);
    let flat = Flattened { gradients, lengths };
    let mut take = Take { grads, flat };
    for_each_tensor(model, &mut take);
    take.flat
}

fn unflatten(flat: Flat, model: &Vlm) -> Grads {
    struct Give {
        flat: std::vec::IntoIter<Option<Tensor<1>>>,
        grads: Grads,
    }
    impl TensorVisitor for Give {
        fn visit<const D: usize>(&mut self, _: &str, id: ParamId, tensor: Tensor<D>) {
            if let Some(grad) = self.flat.next().flatten() {
                self.grads.add(id, grad.reshape(tensor.dims()));
            }
        }
    }
    let mut give = Give {
        flat: flat.into_iter(),
        grads: Grads::new(),
    };
    for_each_tensor(model, &mut give);
    mem::take(&mut give.grads)
}
