//! A short name for what a checkpoint's weights are.

use super::WeightFiles;
use crate::rng::{hash_text, mix};

/// Bytes of a tensor that are looked at; a longer one is sampled evenly.
const SAMPLED: usize = 1 << 16;

/// Bytes that are looked at together.
const WORD: usize = 8;

impl WeightFiles {
    /// 32 hexadecimal digits that say which weights these are: of every tensor its name, precision
    /// and shape and up to 64 KiB of its bytes, spread over all of it.
    ///
    /// It tells a model from another one, or from itself after an update; it is no proof against
    /// somebody who means to deceive.
    pub fn fingerprint(&self) -> String {
        let mut halves = [mix(1, 0), mix(2, 0)];
        let mut add = |word: u64| halves = halves.map(|half| mix(half, word));
        for (name, dtype, shape) in self.tensors() {
            add(hash_text(name));
            add(hash_text(&dtype));
            shape.iter().for_each(|n| add(*n as u64));
            let bytes = self.bytes(name).unwrap_or_default();
            let stride = (bytes.len() / SAMPLED).max(1) * WORD;
            for start in (0..bytes.len()).step_by(stride) {
                let mut word = [0; WORD];
                let end = bytes.len().min(start + WORD);
                word[..end - start].copy_from_slice(&bytes[start..end]);
                add(u64::from_le_bytes(word));
            }
            self.release(name);
        }
        let [high, low] = halves;
        format!("{high:016x}{low:016x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::{Dtype, tensor::TensorView};

    /// Fingerprint of one tensor of these bytes.
    fn of(name: &str, shape: &[usize], bytes: &[u8]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.safetensors");
        let view = TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap();
        safetensors::serialize_to_file([(name, view)], None, &path).unwrap();
        WeightFiles::open_file(&path).unwrap().fingerprint()
    }

    #[test]
    fn name_shape_and_values_count() {
        let bytes: Vec<u8> = (0..48).collect();
        let base = of("a", &[3, 4], &bytes);
        assert_eq!(base, of("a", &[3, 4], &bytes));
        assert_ne!(base, of("b", &[3, 4], &bytes));
        assert_ne!(base, of("a", &[4, 3], &bytes));
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_ne!(base, of("a", &[3, 4], &other), "byte {at}");
        }
    }

    #[test]
    fn a_large_tensor_is_seen_everywhere() {
        let n = 1 << 20;
        let bytes = vec![7_u8; 4 * n];
        let base = of("a", &[n], &bytes);
        for part in 0..16 {
            let mut other = bytes.clone();
            let from = part * n / 4;
            other[from..from + n / 4].fill(8);
            assert_ne!(base, of("a", &[n], &other), "part {part}");
        }
    }
}
