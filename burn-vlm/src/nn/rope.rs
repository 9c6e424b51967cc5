//! Rotary position embedding in the half-split form of Hugging Face checkpoints.

use burn::tensor::{DType, Device, Tensor, TensorData};
use std::borrow::Cow;

/// A position in time, height and width; text has the same number three times.
pub type Position = [u32; 3];

/// How rotary angles depend on positions, beyond `position · theta^(−2k/dim)`.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// Nothing more.
    None,
    /// M-RoPE ([arXiv:2409.12191](https://arxiv.org/abs/2409.12191)): a frequency follows time,
    /// height or width.
    MRope {
        /// How many frequencies follow time, height and width.
        sections: [usize; 3],
        /// False: first those of time, then of height, then of width, as in Qwen2-VL. True: they
        /// take turns while there are any of height and width, and time has the rest, as in
        /// Qwen3-VL.
        interleaved: bool,
        /// What is done to the frequencies besides.
        base: Box<RopeScaling>,
    },
    /// Dynamic NTK: for a row of L positions, L greater than `max_positions`, the base becomes
    /// `theta · (factor · L / max_positions − (factor − 1))^(dim / (dim − 2))`.
    ///
    /// L is the row's own, so that a row does not depend on its batch. While decoding, L grows with
    /// every token and keys that are cached keep the rotation they were given, as in transformers.
    Dynamic {
        /// Grows the base.
        factor: f64,
        /// Positions the model was trained on.
        max_positions: usize,
    },
    /// Positions are divided by `factor`.
    Linear {
        /// Divides positions.
        factor: f64,
    },
    /// Llama 3.1's: frequencies whose wave is longer than `original_max_positions /
    /// low_freq_factor` are divided by `factor`, those whose wave is shorter than
    /// `original_max_positions / high_freq_factor` stay, and those between are mixed.
    Llama3 {
        /// Divides frequencies.
        factor: f64,
        /// Where waves are long.
        low_freq_factor: f64,
        /// Where waves are short, greater than the other.
        high_freq_factor: f64,
        /// Positions before the context was extended.
        original_max_positions: f64,
    },
    /// YaRN ([arXiv:2309.00071](https://arxiv.org/abs/2309.00071)): frequencies that turn more than
    /// `beta_fast` times within `original_max_positions` stay, those that turn less than `beta_slow`
    /// times are divided by `factor`, those between are mixed along a ramp over their numbers, and
    /// cosines and sines are multiplied.
    Yarn {
        /// Divides frequencies.
        factor: f64,
        /// Positions before the context was extended.
        original_max_positions: f64,
        /// Turns of the frequencies that stay.
        beta_fast: f64,
        /// Turns of the frequencies that are divided.
        beta_slow: f64,
        /// Multiplies cosines and sines.
        attention_factor: f64,
        /// Whether the ramp begins and ends at whole numbers.
        truncate: bool,
    },
}

impl RopeScaling {
    /// Longest row, in positions, of a model trained on `max_positions`.
    pub fn reach(&self, max_positions: usize) -> usize {
        let stretched = |positions: f64, factor: f64| (positions * factor.max(1.0)) as usize;
        match self {
            // Files of Llama 3.1 name the extended context, those of Qwen2.5 the one before.
            Self::None | Self::Llama3 { .. } => max_positions,
            Self::Dynamic { factor, .. } | Self::Linear { factor } => {
                stretched(max_positions as f64, *factor)
            }
            Self::Yarn {
                factor,
                original_max_positions,
                ..
            } => max_positions.max(stretched(*original_max_positions, *factor)),
            Self::MRope { base, .. } => base.reach(max_positions),
        }
    }

    /// The frequencies of heads `dim` wide, and what cosines and sines are multiplied by; in f32 as
    /// the reference computes them.
    fn frequencies(&self, dim: usize, theta: f64) -> (Vec<f32>, f32) {
        let mut frequencies = inverse_frequencies(dim, theta);
        match *self {
            Self::None | Self::Dynamic { .. } => {}
            Self::MRope { ref base, .. } => return base.frequencies(dim, theta),
            Self::Linear { factor } => {
                frequencies.iter_mut().for_each(|f| *f /= factor as f32);
            }
            Self::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_positions,
            } => {
                let [low, high, factor] =
                    [low_freq_factor, high_freq_factor, factor].map(|v| v as f32);
                let original = original_max_positions as f32;
                for f in &mut frequencies {
                    let wave = 2.0 * std::f32::consts::PI / *f;
                    if wave > original / low {
                        *f /= factor;
                    } else if wave >= original / high {
                        let share = (original / wave - low) / (high - low);
                        *f = (1.0 - share) * *f / factor + share * *f;
                    }
                }
            }
            Self::Yarn {
                factor,
                original_max_positions,
                beta_fast,
                beta_slow,
                attention_factor,
                truncate,
            } => {
                // The number of the frequency that turns so often in the original context.
                let number = |turns: f64| {
                    let wave = original_max_positions / (turns * 2.0 * std::f64::consts::PI);
                    dim as f64 * wave.ln() / (2.0 * theta.ln())
                };
                let (mut first, mut last) = (number(beta_fast), number(beta_slow));
                if truncate {
                    (first, last) = (first.floor(), last.ceil());
                }
                let (first, mut last) = (first.max(0.0), last.min(dim as f64 - 1.0));
                if first == last {
                    last += 0.001;
                }
                for (k, f) in frequencies.iter_mut().enumerate() {
                    let ramp = (k as f32 - first as f32) / (last - first) as f32;
                    let kept = 1.0 - ramp.clamp(0.0, 1.0);
                    *f = *f / factor as f32 * (1.0 - kept) + *f * kept;
                }
                return (frequencies, attention_factor as f32);
            }
        }
        (frequencies, 1.0)
    }
}

/// Turns positions into rotations.
#[derive(Debug, Clone)]
pub struct Rope {
    dim: usize,
    theta: f64,
    scaling: RopeScaling,
    frequencies: Vec<f32>,
    /// Multiplies cosines and sines.
    attention: f32,
    /// Which of the three coordinates each frequency follows.
    axis: Vec<usize>,
}

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

impl Rope {
    /// The rotary embedding of heads `dim` wide.
    pub fn new(dim: usize, theta: f64, scaling: &RopeScaling) -> Self {
        let (frequencies, attention) = scaling.frequencies(dim, theta);
        let mut axis = vec![0; dim / 2];
        match scaling {
            RopeScaling::MRope {
                sections,
                interleaved: false,
                ..
            } => {
                let sections = sections.iter().enumerate();
                axis = sections
                    .flat_map(|(axis, n)| std::iter::repeat_n(axis, *n))
                    .collect();
            }
            RopeScaling::MRope {
                sections: [_, height, width],
                interleaved: true,
                ..
            } => {
                for (k, axis) in axis.iter_mut().enumerate() {
                    *axis = match k % 3 {
                        1 if k < 3 * height => 1,
                        2 if k < 3 * width => 2,
                        _ => 0,
                    };
                }
            }
            _ => {}
        }
        Self {
            dim,
            theta,
            scaling: scaling.clone(),
            frequencies,
            attention,
            axis,
        }
    }

    /// One frequency for each pair of values of a head, in radians a position.
    pub fn frequencies(&self) -> &[f32] {
        &self.frequencies
    }

    /// What cosines and sines are multiplied by.
    pub fn attention(&self) -> f32 {
        self.attention
    }

    /// The rotation table of `batch` rows of equal length.
    pub fn table(&self, positions: &[Position], batch: usize, device: &Device) -> RopeTable {
        let len = positions.len() / batch.max(1);
        let mut angles = Vec::with_capacity(positions.len() * self.frequencies.len());
        for row in positions.chunks_exact(len.max(1)) {
            self.push_angles(row, &self.frequencies_of(row), &mut angles);
        }
        self.table_of(&angles, [batch, len], device)
    }

    /// The frequencies of a whole row, which may depend on its length.
    pub fn frequencies_of(&self, row: &[Position]) -> Cow<'_, [f32]> {
        match self.grown(row) {
            Some(grown) => Cow::Owned(grown),
            None => Cow::Borrowed(&self.frequencies),
        }
    }

    /// Appends the angles of some positions, one for each frequency.
    pub(crate) fn push_angles(
        &self,
        positions: &[Position],
        frequencies: &[f32],
        angles: &mut Vec<f32>,
    ) {
        for position in positions {
            let angle = |(f, axis): (&f32, &usize)| position[*axis] as f32 * f;
            angles.extend(frequencies.iter().zip(&self.axis).map(angle));
        }
    }

    /// The table of angles that [`push_angles`](Self::push_angles) has put together.
    pub(crate) fn table_of(
        &self,
        angles: &[f32],
        [batch, len]: [usize; 2],
        device: &Device,
    ) -> RopeTable {
        let half = self.frequencies.len();
        let table = RopeTable::from_angles(angles, [batch, len, half], device);
        match self.attention == 1.0 {
            true => table,
            false => RopeTable {
                cos: table.cos.mul_scalar(self.attention),
                sin: table.sin.mul_scalar(self.attention),
            },
        }
    }

    /// The frequencies of a row that is longer than dynamic NTK leaves alone.
    fn grown(&self, row: &[Position]) -> Option<Vec<f32>> {
        let RopeScaling::Dynamic {
            factor,
            max_positions,
        } = self.scaling
        else {
            return None;
        };
        let len = row.iter().map(|position| position[0] as usize + 1).max()?;
        (len > max_positions).then(|| {
            let dim = self.dim as f64;
            let stretch = factor * len as f64 / max_positions as f64 - (factor - 1.0);
            inverse_frequencies(self.dim, self.theta * stretch.powf(dim / (dim - 2.0)))
        })
    }
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

    /// Rotates queries or keys, in f32 whatever their precision.
    ///
    /// # Shapes
    /// - input and output: `[B, H, T, head_dim]`
    pub fn rotate(&self, x: Tensor<4>) -> Tensor<4> {
        let (half, dtype) = (x.dims()[3] / 2, x.dtype());
        let x = x.cast(DType::F32);
        let first = x.clone().narrow(3, 0, half);
        let second = x.clone().narrow(3, half, half);
        let rotated = Tensor::cat(vec![second.neg(), first], 3);
        (x * self.cos.clone() + rotated * self.sin.clone()).cast(dtype)
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

    fn cosines(scaling: &RopeScaling, len: u32) -> Vec<f32> {
        let positions: Vec<Position> = (0..len).map(|p| [p, 2 * p, 3 * p]).collect();
        let table = Rope::new(8, 10_000.0, scaling).table(&positions, 1, &Device::flex());
        table.cos.into_data().iter().collect()
    }

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

    #[test]
    fn each_frequency_follows_its_coordinate() {
        let got = cosines(
            &RopeScaling::MRope {
                sections: [1, 1, 2],
                interleaved: false,
                base: Box::new(RopeScaling::None),
            },
            3,
        );
        // Position 2 is [2, 4, 6]; frequencies are 1, 0.1, 0.01 and 0.001.
        let expected = [2.0_f32, 0.4, 0.06, 0.006].map(f32::cos);
        for (a, b) in got[16..20].iter().zip(expected) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }

    #[test]
    fn the_dynamic_base_grows_only_beyond_the_trained_positions() {
        let dynamic = RopeScaling::Dynamic {
            factor: 2.0,
            max_positions: 4,
        };
        assert_eq!(cosines(&dynamic, 4), cosines(&RopeScaling::None, 4));
        // 6 positions: 2 · 6 / 4 − 1 = 2, and the base grows by 2^(8/6).
        let base = 10_000.0_f64 * 2.0_f64.powf(8.0 / 6.0);
        let expected = (5.0 * base.powf(-0.25)).cos() as f32;
        let got = cosines(&dynamic, 6)[5 * 8 + 1];
        assert!((got - expected).abs() < 1e-6, "{got} {expected}");
    }

    #[test]
    fn linear_scaling_divides_positions() {
        let got = cosines(&RopeScaling::Linear { factor: 4.0 }, 3);
        assert!((got[16] - 0.5_f32.cos()).abs() < 1e-6);
    }

    /// The sections of Qwen3-VL: height has frequencies 1, 4, …, 58, width 2, 5, …, 59, and time all
    /// others.
    #[test]
    fn interleaved_sections_take_turns() {
        let scaling = RopeScaling::MRope {
            sections: [24, 20, 20],
            interleaved: true,
            base: Box::new(RopeScaling::None),
        };
        let axis = Rope::new(128, 5e6, &scaling).axis;
        let of = |wanted: usize| (0..64).filter(|k| axis[*k] == wanted).collect::<Vec<_>>();
        assert_eq!(of(1), (0..20).map(|i| 3 * i + 1).collect::<Vec<_>>());
        assert_eq!(of(2), (0..20).map(|i| 3 * i + 2).collect::<Vec<_>>());
        assert_eq!(of(0).len(), 24);
    }
}
