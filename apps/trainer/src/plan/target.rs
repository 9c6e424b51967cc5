//! What a plan is for.

use crate::{device, devices, input_error::InputError};
use burn_vlm::{Compute, Precision};
use std::collections::BTreeMap;

/// What a plan needs to know of devices. Their names say it: a laptop can plan for a machine with
/// GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Replicas.
    pub replicas: usize,
    /// Devices.
    pub devices: usize,
    /// Replicas on the device that has most of them.
    pub sharing: usize,
    /// Micro-batches at work on a device at a time.
    pub concurrent: usize,
    /// Whether the devices are GPUs, with memory of their own.
    pub is_gpu: bool,
}

impl Target {
    /// The devices that `--device` names, as `cuda:0,1` or `flex`.
    ///
    /// # Errors
    /// A name that means nothing on any machine.
    pub fn named(names: &str) -> Result<Self, InputError> {
        let names = devices::names(names)?;
        let replicas = names.len();
        let is_gpu = device::gpu(&names[0]).is_some();
        let mut shared: BTreeMap<Option<usize>, usize> = BTreeMap::new();
        for name in &names {
            *shared.entry(device::gpu(name)).or_default() += 1;
        }
        Ok(Self {
            replicas,
            devices: shared.len(),
            sharing: shared.into_values().max().unwrap_or(1),
            // Replicas on the host share its cores.
            concurrent: match device::computes_on_callers(&names[0]) {
                true => (rayon::current_num_threads() / replicas).max(1),
                false => 1,
            },
            is_gpu,
        })
    }

    /// What is computed in there.
    pub fn compute(&self, precision: Precision) -> Compute {
        match precision {
            Precision::F32 => Compute::F32,
            Precision::Bf16 => Compute::Bf16,
            Precision::Auto if self.is_gpu => Compute::Bf16,
            Precision::Auto => Compute::F32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_planned_for_that_are_not_here() {
        let target = |names: &str| Target::named(names).unwrap();
        assert_eq!(
            (target("cuda:0").replicas, target("cuda:0").concurrent),
            (1, 1)
        );
        assert_eq!(
            (target("cuda:0,1,2,3").replicas, target("cuda:3").is_gpu),
            (4, true)
        );
        assert_eq!(target("flex,flex").replicas, 2);
        assert!(!target("flex").is_gpu && target("tch:cuda:1").is_gpu);
        assert_eq!(target("cuda:0").compute(Precision::Auto), Compute::Bf16);
        assert_eq!(target("flex").compute(Precision::Auto), Compute::F32);
        let message = Target::named("gpu").unwrap_err().to_string();
        assert!(message.contains("no such device"), "{message}");
    }

    #[test]
    fn every_entry_of_a_list_is_looked_at() {
        for (list, bad) in [
            ("cuda:0,banana", "banana"),
            ("cuda:0,,1", ""),
            ("cuda:0,", ""),
            ("0,1", "0"),
            ("flex,1", "1"),
            ("cuda:0,-1", "-1"),
        ] {
            let message = Target::named(list).unwrap_err().to_string();
            let start = format!("--device {list}: in this list, --device {bad}: ");
            assert!(message.starts_with(&start), "{message}");
        }
    }

    #[test]
    fn replicas_on_one_device_share_it() {
        let shared = |names: &str| {
            let target = Target::named(names).unwrap();
            (target.replicas, target.devices, target.sharing)
        };
        assert_eq!(shared("cuda:0,0"), (2, 1, 2));
        assert_eq!(shared("cuda:0,cuda:2"), (2, 2, 1));
        assert_eq!(shared("cuda:0,0,1"), (3, 2, 2));
        assert_eq!(shared("flex,flex"), (2, 1, 2));
    }
}
