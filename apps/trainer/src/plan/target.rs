//! What a plan is for.

use crate::{device, input_error::InputError};
use burn_vlm::{Compute, Precision};

/// What a plan needs to know of devices. Their names say it: a laptop can plan for a machine with
/// GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Replicas, a device each.
    pub replicas: usize,
    /// Micro-batches at work on a device at a time.
    pub lanes: usize,
    /// Whether the devices are GPUs, with memory of their own.
    pub is_gpu: bool,
}

impl Target {
    /// The devices that `--device` names, as `cuda:0,1` or `flex`.
    ///
    /// # Errors
    /// A name that means nothing on any machine.
    pub fn named(names: &str) -> Result<Self, InputError> {
        let first = names.split(',').next().unwrap_or(names);
        let backend = first.trim_end_matches(|c: char| c.is_ascii_digit());
        let replicas = names.split(',').count();
        let lanes = match backend.trim_end_matches(':') {
            // Replicas on the host share its cores.
            "flex" => rayon::current_num_threads().div_ceil(replicas),
            "cuda" | "tch" | "tch:cuda" => 1,
            _ => {
                device::parse(first)?;
                1
            }
        };
        Ok(Self {
            replicas,
            lanes,
            is_gpu: backend.contains("cuda"),
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
        assert_eq!((target("cuda:0").replicas, target("cuda:0").lanes), (1, 1));
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
}
