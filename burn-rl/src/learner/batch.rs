//! Rows of tokens beside what an algorithm knows of them.

use crate::types::{Credit, Group, Rollout, ScoredBatch};
use burn::tensor::{Bool, Device, Tensor, TensorData};
use burn_vlm::{EncodedPrompt, Row, Vlm, VlmInput, tape::Targets};
use std::sync::Arc;

/// A prompt and one response to it.
#[derive(Debug, Clone)]
pub struct TrainRow {
    /// What the model read.
    pub prompt: Arc<EncodedPrompt>,
    /// What it answered.
    pub response: Vec<u32>,
}

/// Everything one step learns from. Row `i` is sample `i`.
#[derive(Debug, Clone, Default)]
pub struct TrainBatch {
    /// Tokens.
    pub rows: Vec<TrainRow>,
    /// Rewards and log-probabilities.
    pub scored: ScoredBatch,
    /// Advantages.
    pub credit: Credit,
}

impl TrainBatch {
    /// The rows and scores of rewarded groups; nothing is worth anything yet.
    pub fn new<'a>(groups: impl Iterator<Item = &'a Group> + Clone) -> Self {
        let row = |group: &Group, rollout: &Rollout| TrainRow {
            prompt: group.prompt.encoded.clone(),
            response: rollout.tokens.clone(),
        };
        let rows = groups
            .clone()
            .flat_map(|g| g.rollouts.iter().map(move |r| row(g, r)))
            .collect();
        let scored = ScoredBatch::from_groups(groups.map(Group::samples));
        Self {
            rows,
            scored,
            credit: Credit::default(),
        }
    }

    /// Splits samples into micro-batches of at most `size`, alike in length so that little is
    /// padded.
    pub(super) fn micro_batches(&self, samples: &[usize], size: usize) -> Vec<Vec<usize>> {
        let len = |i: usize| self.rows[i].prompt.tokens.len() + self.rows[i].response.len();
        let mut sorted = samples.to_vec();
        sorted.sort_by_key(|i| (len(*i), *i));
        sorted.chunks(size).map(<[usize]>::to_vec).collect()
    }
}

/// A padded micro-batch, ready to be recorded.
pub(super) struct MicroBatch {
    pub input: VlmInput,
    pub targets: Targets,
}

impl MicroBatch {
    pub fn new(batch: &TrainBatch, samples: &[usize], model: &Vlm, device: &Device) -> Self {
        let rows = || samples.iter().map(|i| &batch.rows[*i]);
        let tokens: Vec<Vec<u32>> = rows()
            .map(|row| {
                row.prompt
                    .tokens
                    .iter()
                    .chain(&row.response)
                    .copied()
                    .collect()
            })
            .collect();
        let inputs: Vec<Row<'_>> = tokens
            .iter()
            .zip(rows())
            .map(|(tokens, row)| Row {
                tokens,
                images: &row.prompt.images,
            })
            .collect();
        let input = VlmInput::new(&inputs, model.config(), device);
        let counts: Vec<usize> = rows().map(|row| row.response.len()).collect();
        let tokens: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
        let targets = Targets::new(&tokens, &counts, input.width, device);
        Self { input, targets }
    }
}

/// Lists as the rows of a tensor `[B, R]`, zero after their end.
pub(super) fn padded<'a>(
    lists: impl Iterator<Item = &'a [f32]>,
    [b, r]: [usize; 2],
    device: &Device,
) -> Tensor<2> {
    let mut values = Vec::with_capacity(b * r);
    for (row, list) in lists.enumerate() {
        values.extend_from_slice(list);
        values.resize((row + 1) * r, 0.0);
    }
    Tensor::from_data(TensorData::new(values, [b, r]), device)
}

/// Masks as the rows of a tensor `[B, R]`, false after their end.
pub(super) fn padded_mask<'a>(
    lists: impl Iterator<Item = &'a [bool]>,
    [b, r]: [usize; 2],
    device: &Device,
) -> Tensor<2, Bool> {
    let mut values = Vec::with_capacity(b * r);
    for (row, list) in lists.enumerate() {
        values.extend_from_slice(list);
        values.resize((row + 1) * r, false);
    }
    Tensor::from_data(TensorData::new(values, [b, r]), device)
}
