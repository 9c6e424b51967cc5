//! What an optimiser step knows of all its tokens before it looks at any micro-batch, and a
//! micro-batch of it as the loss takes it.

use super::{
    batch::{padded, padded_mask},
    tape::TapeInput,
};
use crate::{
    error::RlError,
    recipe::Recipe,
    select::StepScores,
    types::{Advantages, Sample, ScoredBatch},
};
use burn::tensor::{Device, Tensor};
use std::{collections::HashMap, ops::Range};

/// Flags of response tokens, by sample.
type Flags = HashMap<usize, Vec<bool>>;

/// What is counted and chosen over all tokens of an optimiser step.
#[derive(Debug, Default)]
pub(super) struct StepPlan {
    /// Weight of every token, by sample; 0 for samples outside the step.
    pub weights: Vec<f64>,
    /// Tokens that the loss treats in a way of its own; none where all are alike.
    pub special_tokens: Option<Flags>,
    /// Tokens that have a policy loss; none where all have.
    pub trained_tokens: Option<Flags>,
    /// Whether nothing is updated yet: what is scored here is the policy that sampled.
    pub is_first: bool,
    /// What dropout depends on beside the sample.
    pub dropout_key: u64,
}

impl StepPlan {
    /// The plan of a step on the given groups. `scores` are those of all tokens of the step, where
    /// the recipe needs them.
    pub fn new(
        recipe: &Recipe,
        batch: &ScoredBatch,
        advantages: &Advantages,
        groups: &[Range<usize>],
        scores: Option<&StepScores>,
    ) -> Result<Self, RlError> {
        let mut plan = Self {
            weights: weights(recipe, batch, groups),
            ..Self::default()
        };
        if let Some(scores) = scores {
            let selected = recipe.select(batch, advantages, scores)?;
            let by_sample = |lists: Vec<Vec<bool>>| scores.samples.iter().copied().zip(lists);
            plan.special_tokens = selected.special_tokens.map(|l| by_sample(l).collect());
            plan.trained_tokens = selected.trained_tokens.map(|l| by_sample(l).collect());
        }
        Ok(plan)
    }
}

/// Weight of every token, by sample; 0 for samples outside `groups`.
pub(super) fn weights(recipe: &Recipe, batch: &ScoredBatch, groups: &[Range<usize>]) -> Vec<f64> {
    let mut weights = vec![0.0; batch.samples.len()];
    for (sample, weight) in recipe.weights(batch, groups) {
        if let Some(known) = weights.get_mut(sample) {
            *known = weight;
        }
    }
    weights
}

/// Whether the log-probabilities before the update are known.
pub(super) fn has_old(sample: &Sample) -> bool {
    !sample.is_empty() && sample.old_logp.len() == sample.len()
}

/// Some samples of an optimiser step as the rows of tensors `[B, R]`, zero or false after the end
/// of each response.
pub(super) struct StepRows<'a> {
    pub recipe: &'a Recipe,
    pub batch: &'a ScoredBatch,
    pub advantages: &'a Advantages,
    pub plan: &'a StepPlan,
    pub samples: &'a [usize],
    /// `[B, R]`
    pub shape: [usize; 2],
    pub device: &'a Device,
}

impl<'a> StepRows<'a> {
    /// What the loss reads of these rows; `logp` and `entropy`, `[B, R]`, are the policy's as it is.
    ///
    /// # Errors
    /// [`RlError::NotProvided`] for a list that the recipe reads and a response lacks.
    pub fn tape_input(&self, logp: Tensor<2>, entropy: Tensor<2>) -> Result<TapeInput, RlError> {
        let needs = self.recipe.needs();
        let flags = |chosen: &'a Flags| {
            let list = |i: &usize| chosen.get(i).map_or(&[][..], Vec::as_slice);
            padded_mask(self.samples.iter().map(list), self.shape, self.device)
        };
        let mask = self.all().map(|sample| sample.mask.as_slice());
        Ok(TapeInput {
            logp,
            entropy,
            old_logp: match needs.old_logp && self.all().any(has_old) {
                true => Some(self.list("old_logp", |s| &s.old_logp)?),
                false => None,
            },
            behaviour_logp: match needs.behaviour_logp {
                true => Some(self.list("behaviour_logp", |s| &s.behaviour_logp)?),
                false => None,
            },
            ref_logp: match needs.ref_logp {
                true => Some(self.list("ref_logp", |s| &s.ref_logp)?),
                false => None,
            },
            advantages: self.advantages()?,
            mask: padded_mask(mask, self.shape, self.device),
            weights: self.weights(),
            special_tokens: self.plan.special_tokens.as_ref().map(flags),
            trained_tokens: self.plan.trained_tokens.as_ref().map(flags),
            kl_coef: self.batch.carried.kl_coef,
        })
    }

    fn all(&self) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().map(|i| &self.batch.samples[*i])
    }

    /// A list of every sample. A response that lacks it is refused; an empty one lacks nothing.
    pub fn list(
        &self,
        name: &'static str,
        list: fn(&Sample) -> &[f32],
    ) -> Result<Tensor<2>, RlError> {
        match self.all().all(|sample| list(sample).len() == sample.len()) {
            true => Ok(padded(self.all().map(list), self.shape, self.device)),
            false => Err(RlError::NotProvided(name)),
        }
    }

    fn advantages(&self) -> Result<Tensor<2>, RlError> {
        self.numbers("advantages", &self.advantages.per_token)
    }

    /// Lists by sample, of which each response must have one.
    pub fn numbers(&self, name: &'static str, lists: &'a [Vec<f32>]) -> Result<Tensor<2>, RlError> {
        let list = |i: &usize| lists.get(*i).map(Vec::as_slice);
        let whole = |i: &usize| list(i).is_some_and(|l| l.len() == self.batch.samples[*i].len());
        match self.samples.iter().all(whole) {
            true => Ok(padded(
                self.samples.iter().filter_map(list),
                self.shape,
                self.device,
            )),
            false => Err(RlError::NotProvided(name)),
        }
    }

    /// The weight of each token in the loss.
    pub fn weights(&self) -> Tensor<2> {
        let row = |i: &usize| vec![self.plan.weights[*i] as f32; self.shape[1]];
        let rows: Vec<Vec<f32>> = self.samples.iter().map(row).collect();
        padded(rows.iter().map(Vec::as_slice), self.shape, self.device)
    }
}
