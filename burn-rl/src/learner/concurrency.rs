//! How many micro-batches are at work at a time: one on an accelerator, which a micro-batch fills,
//! and one a core on the host.

use burn::tensor::Device;
use burn_vlm::{Vlm, runs_on_host, tape::Grads};
use rayon::prelude::*;

/// Micro-batches at work at a time on `device`.
fn concurrent_micro_batches(device: &Device) -> usize {
    if runs_on_host(device) {
        rayon::current_num_threads()
    } else {
        1
    }
}

/// Runs `work` on every part and hands over what it finds, in the order of the parts.
pub(super) fn each_part<P: Sync, R: Send>(
    device: &Device,
    parts: &[P],
    work: impl Fn(&P) -> R + Sync,
    found: impl FnMut(R),
) {
    // No more than the concurrent_micro_batches are alive at a time, nor what they found.
    let run = |parts: &[P]| parts.par_iter().map(&work).collect::<Vec<R>>();
    parts
        .chunks(concurrent_micro_batches(device))
        .flat_map(run)
        .for_each(found);
}

/// The sum of the gradients that `work` adds to what it is given, part by part, and what else it
/// finds. The sum does not depend on the number of concurrent_micro_batches of a host.
pub(super) fn sum_gradients<P: Sync, R: Send>(
    model: &Vlm,
    parts: &[P],
    work: impl Fn(&P, &mut Grads) -> R + Sync,
    mut found: impl FnMut(R),
) -> Grads {
    let device = model.device();
    let mut sum = Grads::new();
    if !runs_on_host(&device) {
        // An accelerator has no room for gradients of a part beside the sum.
        parts.iter().for_each(|part| found(work(part, &mut sum)));
        return sum;
    }
    let alone = |part: &P| {
        let mut grads = Grads::new();
        let other = work(part, &mut grads);
        (grads, other)
    };
    each_part(&device, parts, alone, |(grads, other)| {
        sum.merge(grads, model);
        found(other);
    });
    sum
}
