//! How many micro-batches are at work at a time: one on an accelerator, which a micro-batch fills,
//! and one a core on the host.

use super::Policy;
use crate::error::RlError;
use burn::tensor::Device;
use burn_vlm::{runs_on_host, tape::Grads};
use rayon::prelude::*;

/// Micro-batches at work at a time on `device`.
fn concurrent_micro_batches(device: &Device) -> usize {
    if runs_on_host(device) {
        rayon::current_num_threads()
    } else {
        1
    }
}

/// Runs `work` on every part, as many at a time as `device` takes, and hands over what it finds, in
/// the order of the parts.
///
/// # Errors
/// The first that a part fails with.
pub fn each_part<P: Sync, R: Send>(
    device: &Device,
    parts: &[P],
    work: impl Fn(&P) -> Result<R, RlError> + Sync,
    mut found: impl FnMut(R),
) -> Result<(), RlError> {
    // At most so many parts and their results are in memory at once.
    for parts in parts.chunks(concurrent_micro_batches(device)) {
        let done: Vec<R> = parts.par_iter().map(&work).collect::<Result<_, _>>()?;
        done.into_iter().for_each(&mut found);
    }
    Ok(())
}

/// The sum of the gradients that `work` adds to what it is given, part by part, and what else it
/// finds. The sum does not depend on the number of cores of a host.
pub(super) fn sum_gradients<P: Policy, T: Sync, R: Send>(
    policy: &P,
    parts: &[T],
    work: impl Fn(&T, &mut Grads) -> Result<R, RlError> + Sync,
    mut found: impl FnMut(R),
) -> Result<Grads, RlError> {
    let device = policy.device();
    let mut sum = Grads::new();
    if !runs_on_host(&device) {
        // An accelerator has no room for gradients of a part beside the sum.
        for part in parts {
            found(work(part, &mut sum)?);
        }
        return Ok(sum);
    }
    let alone = |part: &T| {
        let mut grads = Grads::new();
        let other = work(part, &mut grads)?;
        Ok((grads, other))
    };
    each_part(&device, parts, alone, |(grads, other)| {
        sum.merge(grads, policy);
        found(other);
    })?;
    Ok(sum)
}
