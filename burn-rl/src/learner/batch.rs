//! Rows of tokens beside what an algorithm knows of them.

use crate::{
    error::RlError,
    rollout::TrainGroup,
    types::{Advantages, ScoredBatch},
};
use burn::tensor::{Bool, Device, Tensor, TensorData};
use burn_vlm::{EncodedPrompt, ImageFeatures};
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
#[derive(Debug, Clone)]
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
    /// Temperature at which log-probabilities and entropies are taken: it divides the logits.
    pub temperature: f64,
}

impl Default for TrainBatch {
    fn default() -> Self {
        Self {
            rows: vec![],
            scored: ScoredBatch::default(),
            advantages: Advantages::default(),
            mini_batch: None,
            features: vec![],
            temperature: 1.0,
        }
    }
}

impl TrainBatch {
    /// The rows and scores of groups, whose log-probabilities are taken at a temperature; nothing is
    /// worth anything yet.
    pub fn new(groups: &[TrainGroup], temperature: f64) -> Self {
        let row = |group: &TrainGroup, response: &Vec<u32>| TrainRow {
            prompt: group.prompt.encoded.clone(),
            response: response.clone(),
        };
        let rows = groups
            .iter()
            .flat_map(|group| group.responses.iter().map(move |r| row(group, r)))
            .collect();
        Self {
            rows,
            scored: ScoredBatch::from_groups(groups.iter().map(|l| l.samples.clone())),
            temperature,
            ..Self::default()
        }
    }

    /// Refuses a temperature that logits cannot be divided by.
    pub(super) fn check_temperature(&self) -> Result<(), RlError> {
        let temperature = self.temperature;
        match temperature > 0.0 && temperature.is_finite() {
            true => Ok(()),
            false => Err(RlError::Config(format!(
                "log-probabilities are to be taken at temperature {temperature}, expected above 0"
            ))),
        }
    }

    /// Some of its rows, to be run together.
    pub(super) fn micro_batch<'a>(&'a self, samples: &'a [usize]) -> MicroBatch<'a> {
        MicroBatch {
            rows: samples.iter().map(|i| &self.rows[*i]).collect(),
            samples,
            features: &self.features,
        }
    }

    /// Tokens of all rows, prompts included.
    pub fn tokens(&self) -> usize {
        (0..self.rows.len()).map(|i| self.row_len(i)).sum()
    }

    /// The mean advantage of the tokens of sample `i` that take part in the loss; none where no
    /// token does, or nothing is known of it yet.
    pub fn mean_advantage(&self, i: usize) -> Option<f64> {
        let advantages = self.advantages.per_token.get(i)?.iter();
        let active = advantages.zip(&self.scored.samples.get(i)?.mask);
        let active = active.filter(|(_, takes_part)| **takes_part);
        let (sum, count) = active.fold((0.0, 0), |(sum, count), (advantage, _)| {
            (sum + f64::from(*advantage), count + 1)
        });
        (count > 0).then(|| sum / f64::from(count))
    }

    pub(super) fn row_len(&self, i: usize) -> usize {
        self.rows[i].prompt.tokens.len() + self.rows[i].response.len()
    }

    /// Splits samples into micro-batches, alike in length so that little is padded: at most
    /// `rows` rows and, where `tokens` is not 0, at most so many tokens with their padding. A row
    /// that is longer goes alone. An empty response has nothing to score or to learn: it is in none.
    pub(super) fn micro_batches(
        &self,
        samples: &[usize],
        rows: usize,
        tokens: usize,
    ) -> Vec<Vec<usize>> {
        let has_tokens = |i: &&usize| !self.rows[**i].response.is_empty();
        let mut sorted: Vec<usize> = samples.iter().filter(has_tokens).copied().collect();
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

/// Some rows of a batch that are run together. They are not padded yet: rows of one group share
/// their prompt ([`Arc::ptr_eq`]), and a policy may run it once for all of them.
#[derive(Debug, Clone)]
pub struct MicroBatch<'a> {
    /// The rows.
    pub rows: Vec<&'a TrainRow>,
    /// The index of each row in its batch.
    pub samples: &'a [usize],
    /// Pictures that are encoded already, as [`TrainBatch::features`].
    pub features: &'a [Arc<ImageFeatures>],
}

impl MicroBatch<'_> {
    /// B, the number of rows, and R, the number of tokens of the longest response.
    pub fn shape(&self) -> [usize; 2] {
        let longest = self.rows.iter().map(|row| row.response.len()).max();
        [self.rows.len(), longest.unwrap_or(0)]
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
    use crate::types::Sample;

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
    fn the_mean_advantage_is_that_of_tokens_in_the_loss() {
        let mut batch = batch(&[4, 3]);
        let sample = |mask: &[bool]| Sample {
            mask: mask.to_vec(),
            ..Sample::default()
        };
        let samples = vec![sample(&[true, false, true]), sample(&[false, false])];
        batch.scored = ScoredBatch::from_groups([samples]);
        assert_eq!(batch.mean_advantage(0), None, "nothing is known yet");
        batch.advantages.per_token = vec![vec![0.5, 9.0, 2.0], vec![1.0, 1.0]];
        assert_eq!(batch.mean_advantage(0), Some(1.25));
        assert_eq!(batch.mean_advantage(1), None, "no token takes part");
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
