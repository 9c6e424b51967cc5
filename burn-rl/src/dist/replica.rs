//! The learners on the devices of one machine.

use super::{gradients, rendezvous::Rendezvous, workers::DeviceSpec};
use crate::{
    dist::DeviceKind,
    error::RlError,
    learner::{Collective, FlatGrads, Replica, Shared},
};
use burn::tensor::{Device, Tensor};
use std::sync::Arc;

/// All replicas of a learner, one a device.
pub(super) struct ReplicaGroup {
    devices: Vec<Device>,
    pub rendezvous: Rendezvous,
    /// Whether sums go through NCCL, from device to device.
    nccl: bool,
}

impl ReplicaGroup {
    pub fn new(devices: &[DeviceSpec]) -> Arc<Self> {
        let distinct = |i: usize| devices[..i].iter().all(|p| p.device != devices[i].device);
        let cuda = |i: usize| devices[i].kind == DeviceKind::Cuda;
        Arc::new(Self {
            rendezvous: Rendezvous::new(devices.len()),
            // NCCL has no two ranks on one GPU.
            nccl: (0..devices.len()).all(|i| cuda(i) && distinct(i)),
            devices: devices.iter().map(|spec| spec.device.clone()).collect(),
        })
    }

    /// The replica of number `rank`.
    pub fn replica(self: &Arc<Self>, rank: usize) -> Replica {
        let group = self.clone();
        Replica::of(Arc::new(Member { rank, group }))
    }
}

/// One replica of a group.
struct Member {
    rank: usize,
    group: Arc<ReplicaGroup>,
}

impl Collective for Member {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.group.devices.len()
    }

    fn gather(&self, what: &'static str, own: Shared) -> Result<Vec<Shared>, RlError> {
        self.group.rendezvous.gather(self.rank, what, own)
    }

    fn sum(&self, own: FlatGrads) -> Result<Vec<Option<Tensor<1>>>, RlError> {
        let devices = &self.group.devices;
        match self.group.nccl {
            true => gradients::by_nccl(self, own, devices),
            false => gradients::in_turn(self, own, &devices[self.rank]),
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
        let group = ReplicaGroup::new(&(0..n).map(device).collect::<Vec<_>>());
        (0..n).map(|rank| group.replica(rank)).collect()
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
        assert!(!ReplicaGroup::new(&[device(DeviceKind::Cpu), device(DeviceKind::Cpu)]).nccl);
        // Two replicas on one device.
        assert!(!ReplicaGroup::new(&[device(DeviceKind::Cuda), device(DeviceKind::Cuda)]).nccl);
        assert!(!ReplicaGroup::new(&[device(DeviceKind::Cuda), device(DeviceKind::Cpu)]).nccl);
        assert!(ReplicaGroup::new(&[device(DeviceKind::Cuda)]).nccl);
    }
}
