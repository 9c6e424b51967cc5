//! One of several learners that are kept equal.

use super::{gradients, rendezvous::Rendezvous, workers::DeviceSpec};
use crate::{dist::DeviceKind, error::RlError};
use burn_vlm::{Vlm, tape::Grads};
use std::sync::Arc;

/// A learner among its replicas: which samples are its own, and what the others found.
///
/// Alone, everything is its own and there is nobody to ask.
#[derive(Clone, Default)]
pub struct Replica {
    rank: usize,
    group: Option<Arc<Group>>,
}

/// All replicas.
pub(super) struct Group {
    pub devices: Vec<DeviceSpec>,
    pub rendezvous: Rendezvous,
    /// Whether sums go through NCCL, from device to device.
    pub nccl: bool,
}

impl Group {
    pub fn new(devices: &[DeviceSpec]) -> Arc<Self> {
        let distinct = |i: usize| devices[..i].iter().all(|p| p.device != devices[i].device);
        let cuda = |i: usize| devices[i].kind == DeviceKind::Cuda;
        Arc::new(Self {
            rendezvous: Rendezvous::new(devices.len()),
            // NCCL has no two ranks on one GPU.
            nccl: (0..devices.len()).all(|i| cuda(i) && distinct(i)),
            devices: devices.to_vec(),
        })
    }
}

impl Replica {
    /// A learner that has no others.
    pub fn alone() -> Self {
        Self::default()
    }

    pub(super) fn new(rank: usize, group: &Arc<Group>) -> Self {
        Self {
            rank,
            group: Some(group.clone()),
        }
    }

    /// Its number, from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many replicas there are.
    pub fn count(&self) -> usize {
        self.group.as_ref().map_or(1, |group| group.devices.len())
    }

    /// Those of `samples` that are its own, in their order: a run of neighbours, which share their
    /// prompt, with about as many tokens as that of each other replica. Together the replicas have
    /// every sample once. `tokens` is the length of a sample.
    pub fn share(&self, samples: &[usize], tokens: impl Fn(usize) -> usize) -> Vec<usize> {
        let (count, total) = (self.count(), samples.iter().map(|i| tokens(*i)).sum());
        let total = usize::max(total, 1);
        let mut before = 0;
        let own = samples.iter().copied().filter(|i| {
            let len = tokens(*i);
            // Where its middle lies, in halves of tokens.
            let middle = 2 * before + len;
            before += len;
            (middle * count / (2 * total)).min(count - 1) == self.rank
        });
        own.collect()
    }

    /// What every replica found, by rank; all of them have to ask. `what` says what it is.
    ///
    /// # Errors
    /// [`RlError::Training`] where another replica has failed or asks for something else.
    pub fn gather<T: Clone + Send + 'static>(
        &self,
        what: &'static str,
        own: T,
    ) -> Result<Vec<T>, RlError> {
        match &self.group {
            Some(group) if group.devices.len() > 1 => group.rendezvous.gather(self.rank, what, own),
            _ => Ok(vec![own]),
        }
    }

    /// The sum of every replica's gradients of its `model`, the same to the bit on each; all of
    /// them have to ask. A parameter has a gradient if it has one on any.
    ///
    /// # Errors
    /// As [`gather`](Self::gather).
    pub fn sum(&self, own: Grads, model: &Vlm) -> Result<Grads, RlError> {
        match &self.group {
            Some(group) if group.devices.len() > 1 => gradients::sum(self, group, own, model),
            _ => Ok(own),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn replicas(n: usize) -> Vec<Replica> {
        let device = |i| DeviceSpec {
            name: format!("flex:{i}"),
            device: Device::flex(),
            kind: DeviceKind::Cpu,
        };
        let group = Group::new(&(0..n).map(device).collect::<Vec<_>>());
        (0..n).map(|rank| Replica::new(rank, &group)).collect()
    }

    #[test]
    fn shares_are_runs_of_about_as_many_tokens() {
        let lengths = [8, 8, 1, 1, 1, 5, 8, 8, 4, 4];
        let samples = [9, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        for n in [1, 2, 3, 10, 12] {
            let shares: Vec<Vec<usize>> = replicas(n)
                .iter()
                .map(|r| r.share(&samples, |i| lengths[i]))
                .collect();
            assert_eq!(shares.concat(), samples);
            let tokens = |share: &Vec<usize>| share.iter().map(|i| lengths[*i]).sum::<usize>();
            let even = 48 / n;
            for share in &shares {
                // Off by no more than half a sample at either end.
                assert!(tokens(share).abs_diff(even) <= 8, "{n}: {shares:?}");
            }
        }
        assert_eq!(replicas(2)[1].share(&samples, |i| lengths[i]), [5, 6, 7, 8]);
        assert_eq!(Replica::alone().share(&samples, |i| lengths[i]), samples);
        assert!(Replica::alone().share(&[], |i| lengths[i]).is_empty());
    }

    #[test]
    fn sums_go_through_nccl_between_gpus_of_their_own() {
        let device = |kind| DeviceSpec {
            name: String::new(),
            device: Device::flex(),
            kind,
        };
        assert!(!Group::new(&[device(DeviceKind::Cpu), device(DeviceKind::Cpu)]).nccl);
        // Two replicas on one device.
        assert!(!Group::new(&[device(DeviceKind::Cuda), device(DeviceKind::Cuda)]).nccl);
        assert!(!Group::new(&[device(DeviceKind::Cuda), device(DeviceKind::Cpu)]).nccl);
        assert!(Group::new(&[device(DeviceKind::Cuda)]).nccl);
    }
}
