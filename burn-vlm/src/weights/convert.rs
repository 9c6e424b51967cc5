//! Numbers of a file made numbers in memory, none of which may be infinite or NaN.

use burn::tensor::{bf16, f16};
use rayon::prelude::*;
use safetensors::Dtype;

/// Numbers that are converted and looked at together, while they are in a core's cache.
const BLOCK: usize = 1 << 14;

/// A number that a file may hold.
pub(super) trait Number: Copy + Default + Send + Sync {
    /// Its bytes in a file.
    const SIZE: usize;

    fn read(bytes: &[u8]) -> Self;

    /// The bits without the sign, and those of infinity: what is not finite is not below it.
    fn magnitude(self) -> u32;

    const INFINITY: u32;
}

impl Number for f32 {
    const SIZE: usize = 4;
    const INFINITY: u32 = 0x7f80_0000;

    fn read(bytes: &[u8]) -> Self {
        Self::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    fn magnitude(self) -> u32 {
        self.to_bits() & 0x7fff_ffff
    }
}

impl Number for bf16 {
    const SIZE: usize = 2;
    const INFINITY: u32 = 0x7f80;

    fn read(bytes: &[u8]) -> Self {
        Self::from_le_bytes([bytes[0], bytes[1]])
    }

    fn magnitude(self) -> u32 {
        u32::from(self.to_bits() & 0x7fff)
    }
}

impl Number for f16 {
    const SIZE: usize = 2;
    const INFINITY: u32 = 0x7c00;

    fn read(bytes: &[u8]) -> Self {
        Self::from_le_bytes([bytes[0], bytes[1]])
    }

    fn magnitude(self) -> u32 {
        u32::from(self.to_bits() & 0x7fff)
    }
}

/// Whether all of them are finite.
pub(super) fn are_finite<T: Number>(values: &[T]) -> bool {
    let largest = values.iter().map(|v| v.magnitude());
    largest.fold(0, u32::max) < T::INFINITY
}

/// Writes the numbers of a file's bytes into `values`, which is as long.
///
/// True where all are finite.
pub(super) fn convert<T: Number, U: Number>(
    bytes: &[u8],
    values: &mut [U],
    as_memory: impl Fn(T) -> U + Sync,
) -> bool {
    let blocks = values.par_chunks_mut(BLOCK);
    let blocks = blocks.zip(bytes.par_chunks(BLOCK * T::SIZE));
    let convert = |(values, bytes): (&mut [U], &[u8])| {
        let numbers = bytes.chunks_exact(T::SIZE).map(T::read);
        values
            .iter_mut()
            .zip(numbers)
            .for_each(|(value, number)| *value = as_memory(number));
        are_finite(values)
    };
    blocks.map(convert).reduce(|| true, |a, b| a & b)
}

/// The same into f32; none for numbers of another precision than f32, f16 and bf16.
pub(super) fn to_f32(dtype: Dtype, bytes: &[u8], values: &mut [f32]) -> Option<bool> {
    match dtype {
        Dtype::F32 => Some(convert::<f32, _>(bytes, values, |v| v)),
        Dtype::F16 => Some(convert::<f16, _>(bytes, values, f16::to_f32)),
        Dtype::BF16 => Some(convert::<bf16, _>(bytes, values, bf16::to_f32)),
        _ => None,
    }
}

/// How many numbers of a file's bytes are not finite, and which is the first; none where all are,
/// and for numbers of another precision.
pub(super) fn not_finite(dtype: Dtype, bytes: &[u8]) -> Option<(usize, usize)> {
    fn find<T: Number>(bytes: &[u8]) -> Option<(usize, usize)> {
        let look = |(i, block): (usize, &[u8])| {
            let magnitudes = || block.chunks_exact(T::SIZE).map(|b| T::read(b).magnitude());
            if magnitudes().fold(0, u32::max) < T::INFINITY {
                return None;
            }
            let bad = || magnitudes().map(|magnitude| magnitude >= T::INFINITY);
            let first = bad().position(|bad| bad)?;
            Some((bad().filter(|bad| *bad).count(), i * BLOCK + first))
        };
        let blocks = bytes.par_chunks(BLOCK * T::SIZE).enumerate();
        let found = blocks.filter_map(look);
        found.reduce_with(|a, b| (a.0 + b.0, a.1.min(b.1)))
    }
    match dtype {
        Dtype::F32 => find::<f32>(bytes),
        Dtype::F16 => find::<f16>(bytes),
        Dtype::BF16 => find::<bf16>(bytes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infinities_and_nan_are_found_in_every_precision() {
        let n = 3 * BLOCK + 5;
        for at in [0, BLOCK - 1, BLOCK, n - 1] {
            for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let value = |i: usize| if i == at { bad } else { -65504.0 };
                let single: Vec<u8> = (0..n).flat_map(|i| value(i).to_le_bytes()).collect();
                let half = (0..n).flat_map(|i| f16::from_f32(value(i)).to_le_bytes());
                let half: Vec<u8> = half.collect();
                let brain = (0..n).flat_map(|i| bf16::from_f32(value(i)).to_le_bytes());
                let brain: Vec<u8> = brain.collect();
                for (dtype, bytes) in [
                    (Dtype::F32, single),
                    (Dtype::F16, half),
                    (Dtype::BF16, brain),
                ] {
                    let mut values = vec![0.0; n];
                    assert_eq!(
                        to_f32(dtype, &bytes, &mut values),
                        Some(false),
                        "{at} {bad}"
                    );
                    assert_eq!(not_finite(dtype, &bytes), Some((1, at)));
                    let rest = &bytes[..at * bytes.len() / n];
                    assert_eq!(to_f32(dtype, rest, &mut values[..at]), Some(true));
                    assert_eq!(not_finite(dtype, rest), None);
                }
            }
        }
        assert_eq!(to_f32(Dtype::I8, &[0], &mut [0.0]), None);
    }
}
