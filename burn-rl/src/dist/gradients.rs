//! Sums of gradients over replicas.
//!
//! What is summed are the gradients that a replica has accumulated over its micro-batches: once an
//! optimiser step, not once a backward pass.

use crate::{
    error::RlError,
    learner::{Collective, FlatGrads, gather},
};
use burn::tensor::{
    DType, Device, Tensor,
    distributed::{CollectiveTensor, ReduceOperation, all_reduce},
};

/// The gradient of each parameter in module order, flattened; none where it has none.
type Flat = Vec<Option<Tensor<1>>>;

/// Each replica sums every n-th parameter over all in the order of ranks and gives the others what
/// it found: the order of the additions is fixed, so the sum is the same in every run.
pub(super) fn in_turn(
    replicas: &dyn Collective,
    own: FlatGrads,
    device: &Device,
) -> Result<Flat, RlError> {
    let parameters = own.gradients.len();
    let mut all = gather(replicas, "gradients", own.gradients)?;
    let mine = (replicas.rank()..parameters).step_by(replicas.count());
    let sum_of = |i: usize| {
        let parts = all.iter_mut().filter_map(|flat| flat[i].take());
        let parts = parts.map(|grad| grad.to_device(device));
        (i, parts.reduce(|sum, grad| sum + grad))
    };
    let sums: Vec<(usize, Option<Tensor<1>>)> = mine.map(sum_of).collect();
    drop(all);
    let mut summed: Flat = vec![None; parameters];
    let found = gather(replicas, "sums of gradients", sums)?;
    for (i, sum) in found.into_iter().flatten() {
        summed[i] = sum.map(|sum| sum.to_device(device));
    }
    Ok(summed)
}

/// Sums on the devices, which hold all replicas' gradients at no time.
pub(super) fn by_nccl(
    replicas: &dyn Collective,
    own: FlatGrads,
    devices: &[Device],
) -> Result<Flat, RlError> {
    let device = &devices[replicas.rank()];
    // A device that is missing from a sum leaves the others waiting for ever: all are here, and
    // all take part in the same sums.
    let dtypes = |flat: &Flat| -> Vec<Option<DType>> {
        flat.iter()
            .map(|grad| grad.as_ref().map(Tensor::dtype))
            .collect()
    };
    let FlatGrads { gradients, lengths } = own;
    let known = gather(replicas, "kinds of gradients", dtypes(&gradients))?;
    let start = |(i, own): (usize, Option<Tensor<1>>)| -> Option<CollectiveTensor<1>> {
        let dtype = known.iter().find_map(|dtypes| dtypes[i])?;
        let own = own.unwrap_or_else(|| Tensor::zeros([lengths[i]], (device, dtype)));
        Some(all_reduce(own, ReduceOperation::Sum, devices.to_vec()))
    };
    // All are under way before one is waited for.
    let started: Vec<_> = gradients.into_iter().enumerate().map(start).collect();
    Ok(started
        .into_iter()
        .map(|sum| sum.map(CollectiveTensor::resolve))
        .collect())
}
