//! A learner that can have replicas on other devices, and whether they are still equal.

use super::{Learner, Replica};
use burn::{
    module::{Module, ParamId},
    tensor::{Device, Tensor},
};
use burn_vlm::{
    freeze::trainable,
    weights::{TensorVisitor, for_each_tensor},
};
use std::collections::HashSet;

/// A learner that may be one of several that are kept equal.
///
/// Each is given the whole batch. It runs the model on its [`share`](Replica::share) of the
/// samples alone, [`gather`](Replica::gather)s what is found of single samples,
/// [`sum`](Replica::sum)s gradients, and decides nothing by what only it knows.
pub trait Replicate: Learner + Sync + Sized {
    /// The same on another device, to the bit.
    fn on(&self, device: &Device) -> Self;

    /// Becomes one of several.
    fn join(&mut self, replica: Replica);

    /// What must be the same on every replica.
    fn checksums(&self) -> Vec<Checksum>;
}

/// CRC-32C of the bytes of one thing that is the same on every replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// What it is, as `policy.model.norm.weight`.
    pub name: String,
    /// Of its bytes, little-endian.
    pub crc: u32,
}

impl Checksum {
    /// Of some bytes.
    pub fn of(name: impl Into<String>, bytes: &[u8]) -> Self {
        Self {
            name: name.into(),
            crc: crc32c::crc32c(bytes),
        }
    }
}

/// Of every parameter of `model` that is trained, in module order, with `prefix` before its path.
/// What is frozen does not change. One tensor at a time is read back from the device.
pub fn checksums<M: Module>(model: &M, prefix: &str) -> Vec<Checksum> {
    struct Sums<'a> {
        prefix: &'a str,
        trained: HashSet<ParamId>,
        found: Vec<Checksum>,
    }
    impl TensorVisitor for Sums<'_> {
        fn visit<const D: usize>(&mut self, path: &str, id: ParamId, tensor: Tensor<D>) {
            if self.trained.contains(&id) {
                let name = format!("{}.{path}", self.prefix);
                let data = tensor.into_data();
                self.found.push(Checksum::of(name, data.as_bytes()));
            }
        }
    }
    let mut sums = Sums {
        prefix,
        trained: trainable(model),
        found: vec![],
    };
    for_each_tensor(model, &mut sums);
    sums.found
}

/// The first replica that differs from replica 0, and the name of what differs; none if all are
/// equal.
pub(crate) fn difference(by_rank: &[Vec<Checksum>]) -> Option<(usize, String)> {
    let (first, others) = by_rank.split_first()?;
    others.iter().enumerate().find_map(|(i, other)| {
        let differs = first.iter().zip(other).find(|(a, b)| a != b);
        let name = differs.map(|(a, _)| a.name.clone());
        let lengths = (first.len() != other.len()).then(|| "the number of parameters".into());
        name.or(lengths).map(|name| (i + 1, name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(values: &[f32]) -> Vec<Checksum> {
        let sum = |(i, value): (usize, &f32)| Checksum::of(i.to_string(), &value.to_le_bytes());
        values.iter().enumerate().map(sum).collect()
    }

    #[test]
    fn the_last_bit_counts() {
        let next = f32::from_bits(2.0_f32.to_bits() + 1);
        let (a, b) = (sums(&[1.0, 2.0, 0.0]), sums(&[1.0, next, 0.0]));
        assert_eq!(difference(&[a.clone(), a.clone(), a.clone()]), None);
        assert_eq!(
            difference(&[a.clone(), a.clone(), b]),
            Some((2, "1".into()))
        );
        assert_eq!(
            difference(&[a.clone(), sums(&[1.0, 2.0, -0.0])]),
            Some((1, "2".into()))
        );
        let shorter = difference(&[a, sums(&[1.0])]);
        assert_eq!(shorter, Some((1, "the number of parameters".into())));
    }

    #[test]
    fn the_check_value_of_the_polynomial() {
        // RFC 3720, B.4: 32 bytes of zeros.
        assert_eq!(Checksum::of("", &[0; 32]).crc, 0x8a91_36aa);
    }
}
