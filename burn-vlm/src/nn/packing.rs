//! Attention within segments of patches: pictures, tiles or windows.

use super::{
    RopeTable,
    attention::{SCORES, grouped_attention, merge_heads, split_heads},
    tensors::int_tensor,
};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use std::ops::Range;

/// Segments of patches that attend to one another.
#[derive(Debug, Clone)]
pub struct Packing {
    /// Neighbours that are attended together.
    runs: Vec<Run>,
}

/// Some segments as rows of a padded batch.
#[derive(Debug, Clone)]
struct Run {
    /// Its patches.
    patches: Range<usize>,
    /// `[segments, longest]`
    shape: [usize; 2],
    /// Patch of each slot and slot of each patch; none where all segments are equally long.
    ragged: Option<Ragged>,
    /// `[segments, 1, longest, head_dim]`
    rope: Option<RopeTable>,
}

#[derive(Debug, Clone)]
struct Ragged {
    slots: Tensor<1, Int>,
    patches: Tensor<1, Int>,
    /// `[segments, 1, 1, longest]`
    mask: Tensor<4, Bool>,
}

/// One rotary angle per (patch, frequency).
#[derive(Clone, Copy)]
pub struct Angles<'a> {
    /// `[N, half]` flattened, in radians
    pub values: &'a [f32],
    /// Frequencies: half of a head's width.
    pub half: usize,
}

impl Packing {
    /// `lens` are the lengths of consecutive segments.
    pub fn new(lens: &[usize], angles: Option<Angles<'_>>, device: &Device) -> Self {
        let run = |lens: &[usize], first| Run::new(lens, first, angles, device);
        let (mut runs, mut first, mut patch) = (vec![], 0, 0);
        for next in 1..=lens.len() {
            if next == lens.len() || scores(&lens[first..=next]) > SCORES {
                runs.push(run(&lens[first..next], patch));
                patch += lens[first..next].iter().sum::<usize>();
                first = next;
            }
        }
        Self { runs }
    }

    /// # Shapes
    /// - qkv: `[N, 3E]`
    /// - output: `[N, E]`
    pub fn attend(&self, qkv: Tensor<2>, heads: usize) -> Tensor<2> {
        let attended = |run: &Run| {
            let own = qkv.clone().narrow(0, run.patches.start, run.patches.len());
            run.attend(own, heads)
        };
        Tensor::cat(self.runs.iter().map(attended).collect(), 0)
    }
}

/// Scores of a head over segments of these lengths, padding included.
fn scores(lens: &[usize]) -> usize {
    let longest = lens.iter().copied().max().unwrap_or(0);
    lens.len() * longest * longest
}

impl Run {
    /// `lens` are the lengths of its segments, `first` is their first patch.
    fn new(lens: &[usize], first: usize, angles: Option<Angles<'_>>, device: &Device) -> Self {
        let longest = lens.iter().copied().max().unwrap_or(0);
        let shape = [lens.len(), longest];
        let (mut slots, mut patches, mut mask, mut padded) = (vec![], vec![], vec![], vec![]);
        let mut start = 0;
        for (segment, len) in lens.iter().enumerate() {
            for slot in 0..longest {
                let patch = start + slot.min(len - 1);
                slots.push(patch as i64);
                mask.push(slot >= *len);
                if let Some(Angles { values, half }) = angles {
                    let at = (first + patch) * half;
                    padded.extend_from_slice(&values[at..at + half]);
                }
                if slot < *len {
                    patches.push((segment * longest + slot) as i64);
                }
            }
            start += len;
        }
        let ragged = mask.contains(&true).then(|| Ragged {
            slots: int_tensor(slots, device),
            patches: int_tensor(patches, device),
            mask: Tensor::from_data(TensorData::new(mask, [shape[0], 1, 1, longest]), device),
        });
        let rope = angles.map(|angles| {
            RopeTable::from_angles(&padded, [shape[0], longest, angles.half], device)
        });
        Self {
            patches: first..first + start,
            shape,
            ragged,
            rope,
        }
    }

    /// # Shapes
    /// - qkv: `[n, 3E]`, of its patches
    /// - output: `[n, E]`
    fn attend(&self, qkv: Tensor<2>, heads: usize) -> Tensor<2> {
        let qkv = self.pack(qkv);
        let e = qkv.dims()[2] / 3;
        let head = |part: usize| split_heads(qkv.clone().narrow(2, part * e, e), heads);
        let rotated = |x: Tensor<4>| match &self.rope {
            Some(rope) => rope.rotate(x),
            None => x,
        };
        let (q, k) = (rotated(head(0)), rotated(head(1)));
        let mask = self.ragged.as_ref().map(|r| &r.mask);
        self.unpack(merge_heads(grouped_attention(q, k, head(2), mask)))
    }

    fn pack(&self, x: Tensor<2>) -> Tensor<3> {
        let width = x.dims()[1];
        let x = match &self.ragged {
            Some(ragged) => x.select(0, ragged.slots.clone()),
            None => x,
        };
        x.reshape([self.shape[0], self.shape[1], width])
    }

    fn unpack(&self, x: Tensor<3>) -> Tensor<2> {
        let [segments, longest, width] = x.dims();
        let x = x.reshape([segments * longest, width]);
        match &self.ragged {
            Some(ragged) => x.select(0, ragged.patches.clone()),
            None => x,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    #[test]
    fn segments_attend_as_each_does_alone() {
        let device = Device::flex();
        device.seed(7);
        // A large one has no others beside it; small ones share a run, padded.
        let lens = [3, 5, 4100, 2, 2];
        let total: usize = lens.iter().sum();
        let qkv = Tensor::<2>::random([total, 12], Distribution::Default, &device);
        let angles: Vec<f32> = (0..total).map(|i| i as f32 / 10.0).collect();
        let of = |lens: &[usize], first: usize| {
            let values = &angles[first..];
            let packing = Packing::new(lens, Some(Angles { values, half: 1 }), &device);
            let n = lens.iter().sum();
            packing.attend(qkv.clone().narrow(0, first, n), 2)
        };
        let all = of(&lens, 0);
        assert_eq!(all.dims(), [total, 4]);
        let mut first = 0;
        for len in lens {
            let alone = of(&[len], first);
            let off = (all.clone().narrow(0, first, len) - alone).abs().max();
            let off: f32 = off.into_scalar();
            assert!(off < 1e-6, "{len}: {off}");
            first += len;
        }
    }

    #[test]
    fn no_run_has_more_scores_than_there_is_room_for() {
        let device = Device::flex();
        let lens = [vec![64; 300], vec![4000, 4000, 1, 1], vec![8192]].concat();
        let packing = Packing::new(&lens, None, &device);
        let mut next = 0;
        for run in &packing.runs {
            let [segments, longest] = run.shape;
            assert!(segments == 1 || segments * longest * longest <= SCORES);
            assert_eq!(run.patches.start, next);
            next = run.patches.end;
        }
        assert_eq!(next, lens.iter().sum::<usize>());
        assert_eq!(packing.runs.len(), 5);
    }
}
