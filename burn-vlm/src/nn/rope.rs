//! Rotary position embedding in the half-split form of Hugging Face checkpoints.

use burn::tensor::{Device, Tensor, TensorData};

/// Cosines and sines of every position, ready to rotate queries and keys.
#[derive(Debug, Clone)]
pub struct RopeTable {
    /// `[B, 1, T, head_dim]`
    cos: Tensor<4>,
    /// `[B, 1, T, head_dim]`
    sin: Tensor<4>,
}

/// `theta^(−2k/dim)` for `k < dim/2`, in f32 as the reference computes it.
pub fn inverse_frequencies(dim: usize, theta: f64) -> Vec<f32> {
    (0..dim / 2)
        .map(|k| 1.0 / (theta as f32).powf((2 * k) as f32 / dim as f32))
        .collect()
}

impl RopeTable {
    /// Builds the table from one angle per (row, position, frequency).
    ///
    /// # Shapes
    /// - angles: `[batch, len, half]` flattened, in radians; the second half of a head repeats them
    pub fn from_angles(angles: &[f32], [batch, len, half]: [usize; 3], device: &Device) -> Self {
        let spread = |f: fn(f32) -> f32| {
            let mut values = Vec::with_capacity(angles.len() * 2);
            for position in angles.chunks_exact(half) {
                let start = values.len();
                values.extend(position.iter().map(|a| f(*a)));
                values.extend_from_within(start..);
            }
            Tensor::from_data(TensorData::new(values, [batch, 1, len, 2 * half]), device)
        };
        Self {
            cos: spread(f32::cos),
            sin: spread(f32::sin),
        }
    }

    /// Rotates queries or keys.
    ///
    /// # Shapes
    /// - input and output: `[B, H, T, head_dim]`
    pub fn rotate(&self, x: Tensor<4>) -> Tensor<4> {
        let half = x.dims()[3] / 2;
        let first = x.clone().narrow(3, 0, half);
        let second = x.clone().narrow(3, half, half);
        let rotated = Tensor::cat(vec![second.neg(), first], 3);
        x * self.cos.clone() + rotated * self.sin.clone()
    }

    /// The rows `indices` of the table.
    pub fn select(&self, indices: Tensor<1, burn::tensor::Int>) -> Self {
        Self {
            cos: self.cos.clone().select(0, indices.clone()),
            sin: self.sin.clone().select(0, indices),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_turn_swaps_the_halves() {
        let device = Device::flex();
        let table = RopeTable::from_angles(&[std::f32::consts::FRAC_PI_2], [1, 1, 1], &device);
        let x = Tensor::<4>::from_data([[[[3.0_f32, 5.0]]]], &device);
        let y: Vec<f32> = table.rotate(x).into_data().iter().collect();
        assert!(
            (y[0] + 5.0).abs() < 1e-6 && (y[1] - 3.0).abs() < 1e-6,
            "{y:?}"
        );
    }
}
