//! Rows of tokens beside what an algorithm knows of them.

use crate::{
    error::RlError,
    rollout::TrainGroup,
    types::{Advantages, ScoredBatch},
};
use burn::tensor::{Bool, Device, Tensor, TensorData};
use burn_vlm::{EncodedPrompt, ImageFeatures, Row, Vlm, VlmInput, tape::Targets};
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
    pub advantages: Advantages,
    /// Groups of each mini-batch; none divides them evenly among the configured number.
    pub mini_batch: Option<usize>,
    /// What the policy's vision tower makes of the pictures, while it is frozen: on each device
    /// that has a replica.
    pub features: Vec<Arc<ImageFeatures>>,
}

impl TrainBatch {
    /// The rows and scores of groups; nothing is worth anything yet.
    pub fn new(groups: &[TrainGroup]) -> Self {
        let row = |group: &TrainGroup, response: &Vec<u32>| TrainRow {
            prompt: group.prompt.clone(),
            response: response.clone(),
        };
        let rows = groups
            .iter()
            .flat_map(|group| group.responses.iter().map(move |r| row(group, r)))
            .collect();
        Self {
            rows,
            scored: ScoredBatch::from_groups(groups.iter().map(|l| l.samples.clone())),
            ..Self::default()
        }
    }

    /// Encodes every picture once, if the vision tower of `model` is frozen.
    pub(super) fn encode_pictures(&mut self, model: &Vlm) {
        let images = self.rows.iter().flat_map(|row| &row.prompt.images);
        self.features = ImageFeatures::of_frozen(model, images)
            .map(Arc::new)
            .into_iter()
            .collect();
    }

    /// Tokens of all rows, prompts included.
    pub fn tokens(&self) -> usize {
        (0..self.rows.len()).map(|i| self.row_len(i)).sum()
    }

    pub(super) fn row_len(&self, i: usize) -> usize {
        self.rows[i].prompt.tokens.len() + self.rows[i].response.len()
    }

    /// Splits samples into micro-batches, alike in length so that little is padded: at most
    /// `rows` rows and, where `tokens` is not 0, at most so many tokens with their padding. A row
    /// that is longer goes alone.
    pub(super) fn micro_batches(
        &self,
        samples: &[usize],
        rows: usize,
        tokens: usize,
    ) -> Vec<Vec<usize>> {
        let mut sorted = samples.to_vec();
        sorted.sort_by_key(|i| (self.row_len(*i), *i));
        let mut parts: Vec<Vec<usize>> = vec![];
        for i in sorted {
            // Sorted by length: this row is the longest so far, to which the others are padded.
            let fits = |part: &Vec<usize>| {
                let padded = (part.len() + 1) * self.row_len(i);
                part.len() < rows && (tokens == 0 || padded <= tokens)
            };
            match parts.last_mut().filter(|part| fits(part)) {
                Some(part) => part.push(i),
                None => parts.push(vec![i]),
            }
        }
        parts
    }
}

/// A padded micro-batch, ready to be recorded.
pub(super) struct MicroBatch {
    pub input: VlmInput,
    pub targets: Targets,
}

impl MicroBatch {
    pub fn new(
        batch: &TrainBatch,
        samples: &[usize],
        model: &Vlm,
        device: &Device,
    ) -> Result<Self, RlError> {
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
        let mut input = VlmInput::new(&inputs, model.config(), device)?;
        for features in &batch.features {
            features.give(model, &mut input);
        }
        let counts: Vec<usize> = rows().map(|row| row.response.len()).collect();
        let tokens: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
        let targets = Targets::new(&tokens, &counts, input.width, device)?;
        Ok(Self { input, targets })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch of rows of these lengths, of which the prompt is one token.
    fn batch(lengths: &[usize]) -> TrainBatch {
        let prompt = Arc::new(EncodedPrompt {
            tokens: vec![0],
            images: vec![],
        });
        let row = |len: &usize| TrainRow {
            prompt: prompt.clone(),
            response: vec![0; len - 1],
        };
        TrainBatch {
            rows: lengths.iter().map(row).collect(),
            ..TrainBatch::default()
        }
    }

    #[test]
    fn micro_batches_hold_rows_and_tokens_with_their_padding() {
        let batch = batch(&[9, 2, 4, 2, 5, 20]);
        let all: Vec<usize> = (0..6).collect();
        // By rows alone, from short to long.
        assert_eq!(
            batch.micro_batches(&all, 4, 0),
            [vec![1, 3, 2, 4], vec![0, 5]]
        );
        // 3 rows padded to 4 are 12 tokens; with the row of 5 they would be 20; 5 and 9 would be
        // 18; the row of 20 is too long and goes alone.
        assert_eq!(
            batch.micro_batches(&all, 4, 12),
            [vec![1, 3, 2], vec![4], vec![0], vec![5]]
        );
        // The number of rows still counts.
        assert_eq!(
            batch.micro_batches(&all, 2, 12),
            [vec![1, 3], vec![2, 4], vec![0], vec![5]]
        );
        assert_eq!(batch.micro_batches(&[5, 0], 4, 100), [vec![0, 5]]);
    }
}
