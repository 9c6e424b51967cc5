//! Rows of tokens beside what an algorithm knows of them.

use crate::{
    error::RlError,
    rollout::TrainGroup,
    types::{Advantages, ScoredBatch},
};
use burn::tensor::{Bool, Device, Tensor, TensorData};
use burn_vlm::{EncodedPrompt, ImageFeatures, RowKey};
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
            prompts: samples.iter().map(|i| self.prompt_of(*i)).collect(),
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

    /// The first of the neighbouring rows that share the prompt of row `i`.
    fn prompt_of(&self, i: usize) -> usize {
        let same = |j: &usize| Arc::ptr_eq(&self.rows[*j].prompt, &self.rows[i].prompt);
        (0..i).rev().take_while(same).last().unwrap_or(i)
    }

    /// Splits samples into micro-batches in their order: at most `rows` rows and, where `tokens` is
    /// not 0, at most so many tokens, a prompt counted once for the neighbours that share it. A row
    /// that is longer goes alone. Rows of one prompt stay together if they fit a micro-batch. An
    /// empty response has nothing to score or to learn: it is in none.
    pub(super) fn micro_batches(
        &self,
        samples: &[usize],
        rows: usize,
        tokens: usize,
    ) -> Vec<Vec<usize>> {
        let has_tokens = |i: &&usize| !self.rows[**i].response.is_empty();
        let samples: Vec<usize> = samples.iter().filter(has_tokens).copied().collect();
        let limit = if tokens == 0 { usize::MAX } else { tokens };
        let prompt = |i: usize| self.rows[i].prompt.tokens.len();
        let response = |i: &usize| self.rows[*i].response.len();
        let (mut parts, mut used): (Vec<Vec<usize>>, usize) = (vec![], 0);
        for group in samples.chunk_by(|a, b| self.prompt_of(*a) == self.prompt_of(*b)) {
            let whole = prompt(group[0]) + group.iter().map(response).sum::<usize>();
            let fits =
                |part: &Vec<usize>| part.len() + group.len() <= rows && used + whole <= limit;
            if let Some(part) = parts.last_mut().filter(|part| fits(part)) {
                part.extend(group);
                used += whole;
                continue;
            }
            let mut open = false;
            for i in group {
                let fits = |part: &Vec<usize>| part.len() < rows && used + response(i) <= limit;
                match parts.last_mut().filter(|part| open && fits(part)) {
                    Some(part) => {
                        part.push(*i);
                        used += response(i);
                    }
                    None => {
                        parts.push(vec![*i]);
                        used = prompt(*i) + response(i);
                        open = true;
                    }
                }
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
    /// The number of each row's prompt: that of the first of the batch's rows that share it.
    pub prompts: Vec<usize>,
    /// Pictures that are encoded already, as [`TrainBatch::features`].
    pub features: &'a [Arc<ImageFeatures>],
}

impl MicroBatch<'_> {
    /// What the dropout of each row depends on.
    pub(super) fn row_keys(&self) -> Vec<RowKey> {
        let rows = self.prompts.iter().zip(self.samples);
        rows.map(|(prompt, sample)| RowKey {
            prompt: *prompt,
            sample: *sample,
        })
        .collect()
    }

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

    #[test]
    fn the_mean_advantage_is_that_of_tokens_in_the_loss() {
        let mut batch = groups(&[(1, &[3, 2])]);
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

    /// Rows by group: the length of its prompt, and of each response.
    fn groups(groups: &[(usize, &[usize])]) -> TrainBatch {
        let rows = groups.iter().flat_map(|(prompt, responses)| {
            let prompt = Arc::new(EncodedPrompt {
                tokens: vec![0; *prompt],
                images: vec![],
            });
            let row = move |len: &usize| TrainRow {
                prompt: prompt.clone(),
                response: vec![0; *len],
            };
            responses.iter().map(row)
        });
        TrainBatch {
            rows: rows.collect(),
            ..TrainBatch::default()
        }
    }

    #[test]
    fn micro_batches_count_a_prompt_once_and_keep_its_rows_together() {
        let batch = groups(&[
            (10, &[2, 0, 3]),
            (4, &[5, 5]),
            (20, &[9]),
            (3, &[1, 1, 1, 8]),
        ]);
        let all: Vec<usize> = (0..10).collect();
        // Four rows: two groups of two, and the third with none of the fourth, which is four itself.
        assert_eq!(
            batch.micro_batches(&all, 4, 0),
            [vec![0, 2, 3, 4], vec![5], vec![6, 7, 8, 9]]
        );
        // 10 + 2 + 3 tokens and 4 + 5 + 5 are 29; 20 + 9 are 29; 3 + 11 are 14.
        assert_eq!(
            batch.micro_batches(&all, 8, 29),
            [vec![0, 2, 3, 4], vec![5], vec![6, 7, 8, 9]]
        );
        assert_eq!(
            batch.micro_batches(&all, 8, 28),
            [vec![0, 2], vec![3, 4], vec![5], vec![6, 7, 8, 9]],
            "one of 29 goes alone"
        );
        // A group that fits no micro-batch is split, its prompt in each part.
        assert_eq!(
            batch.micro_batches(&[6, 7, 8, 9], 8, 12),
            [vec![6, 7, 8], vec![9]]
        );
        assert_eq!(
            batch.micro_batches(&[6, 7, 8, 9], 3, 0),
            [vec![6, 7, 8], vec![9]]
        );
        assert_eq!(batch.micro_batch(&[4, 8]).prompts, [3, 6]);
    }
}
