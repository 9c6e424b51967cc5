//! How many micro-batches are at work at a time: one on an accelerator, which a micro-batch fills,
//! and one a core on the host.

use crate::error::RlError;
use burn::tensor::Device;
use burn_vlm::runs_on_host;
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
    for parts in rounds(device, parts) {
        let done: Vec<R> = parts.par_iter().map(&work).collect::<Result<_, _>>()?;
        done.into_iter().for_each(&mut found);
    }
    Ok(())
}

/// The parts in runs of as many as are at work at a time.
pub(super) fn rounds<'a, P>(device: &Device, parts: &'a [P]) -> impl Iterator<Item = &'a [P]> {
    parts.chunks(concurrent_micro_batches(device))
}
