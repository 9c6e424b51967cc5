//! A recipe on plain numbers: what a researcher checks a formula with.

use super::{
    batch::padded_mask,
    step_plan::{StepPlan, StepRows},
    tape::{ValueInput, differentiate, differentiate_values},
};
use crate::{
    error::RlError,
    recipe::Recipe,
    select::StepScores,
    types::{Advantages, Sample, ScoredBatch},
};
use burn::tensor::{Device, Tensor};
use std::collections::BTreeMap;

/// One optimiser step as numbers. Lists are by sample, one number a response token.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StepNumbers {
    /// Rewards, masks and what else the recipe reads of a sample.
    pub batch: ScoredBatch,
    /// Log-probabilities under the current policy.
    pub logp: Vec<Vec<f32>>,
    /// Entropies in nats; may be left empty where the recipe does not read them.
    pub entropy: Vec<Vec<f32>>,
}

/// What a recipe makes of an optimiser step. Lists are by sample, one number a response token.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// What each token is worth.
    pub advantages: Advantages,
    /// The loss of each token, neither weighted nor reduced, zero where masked.
    pub token_loss: Vec<Vec<f32>>,
    /// The reduced loss of the policy.
    pub loss: f32,
    /// Derivative of `loss` by the log-probability of each token.
    pub d_logp: Vec<Vec<f32>>,
    /// Derivative of `loss` by the entropy at each token.
    pub d_entropy: Vec<Vec<f32>>,
    /// The reduced loss of the critic and its derivative by the value at each token; none without a
    /// critic.
    pub critic: Option<(f32, Vec<Vec<f32>>)>,
    /// Means over the tokens that take part, by metric name.
    pub stats: BTreeMap<String, f64>,
}

impl Applied {
    /// Of a step without a token.
    fn nothing(advantages: Advantages, has_critic: bool) -> Self {
        let lists = vec![vec![]; advantages.per_token.len()];
        Self {
            token_loss: lists.clone(),
            loss: 0.0,
            d_logp: lists.clone(),
            d_entropy: lists.clone(),
            critic: has_critic.then_some((0.0, lists)),
            stats: BTreeMap::new(),
            advantages,
        }
    }
}

impl Recipe {
    /// Advantages, losses and derivatives of one optimiser step on all groups of `x`: the same path
    /// that a learner takes, without a model. A critic's current values are those of the samples.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use burn_rl::{RlError, learner::StepNumbers, loss::LossInput, recipe::Recipe};
    /// use burn_rl::types::{Sample, ScoredBatch};
    ///
    /// let loss = |x: &LossInput| -> Result<Tensor<2>, RlError> { Ok(-(x.ratio()? * x.advantages())) };
    /// let recipe = Recipe::named("dr_grpo")?.loss(loss).build()?;
    ///
    /// let sample = |reward, old_logp: &[f32]| Sample {
    ///     reward,
    ///     mask: vec![true; old_logp.len()],
    ///     old_logp: old_logp.to_vec(),
    ///     ..Sample::default()
    /// };
    /// let batch = [vec![sample(1.0, &[-1.0, -2.0]), sample(0.0, &[-3.0])]];
    /// let found = recipe.apply(
    ///     &StepNumbers {
    ///         batch: ScoredBatch::from_groups(batch),
    ///         logp: vec![vec![-1.0, -2.0], vec![-3.0 - 2f32.ln()]],
    ///         ..StepNumbers::default()
    ///     },
    ///     &Device::flex(),
    /// )?;
    /// // Advantages ±1/2; ratios 1, 1 and 1/2; a mean over two sequences of their sums.
    /// assert_eq!(found.advantages.per_token, [vec![0.5, 0.5], vec![-0.5]]);
    /// assert_eq!(found.token_loss[0], [-0.5, -0.5]);
    /// assert!((found.token_loss[1][0] - 0.25).abs() < 1e-6);
    /// assert!((found.loss + 0.375).abs() < 1e-6);
    /// assert_eq!(found.d_logp[0], [-0.25, -0.25]);
    /// # Ok::<(), RlError>(())
    /// ```
    ///
    /// # Errors
    /// [`RlError::NotProvided`] for what the recipe reads and `x` lacks, or lists that do not fit
    /// together.
    pub fn apply(&self, x: &StepNumbers, device: &Device) -> Result<Applied, RlError> {
        let batch = &x.batch;
        let advantages = self.advantages(batch)?;
        if batch.samples.iter().all(Sample::is_empty) {
            return Ok(Applied::nothing(advantages, self.critic().is_some()));
        }
        let samples: Vec<usize> = (0..batch.samples.len()).collect();
        let width = batch.samples.iter().map(Sample::len).max().unwrap_or(0);
        let scores = StepScores {
            samples: samples.clone(),
            logp: x.logp.clone(),
            entropy: x.entropy.clone(),
        };
        let fits = |lists: &[Vec<f32>]| {
            let lengths = lists.iter().map(Vec::len);
            lengths.eq(batch.samples.iter().map(Sample::len))
        };
        if !fits(&x.logp) {
            return Err(RlError::NotProvided("logp"));
        }
        if (self.needs().entropy || !x.entropy.is_empty()) && !fits(&x.entropy) {
            return Err(RlError::NotProvided("entropy"));
        }
        let scores = self.needs().step_scores.then_some(&scores);
        let plan = StepPlan::new(self, batch, &advantages, &batch.groups, scores)?;
        let rows = StepRows {
            recipe: self,
            batch,
            advantages: &advantages,
            plan: &plan,
            samples: &samples,
            shape: [samples.len(), width],
            device,
        };
        let logp = rows.numbers("logp", &x.logp)?;
        let entropy = match x.entropy.is_empty() {
            true => logp.zeros_like(),
            false => rows.numbers("entropy", &x.entropy)?,
        };
        let out = differentiate(self, rows.tape_input(logp, entropy)?)?;
        let critic = match self.critic() {
            Some(critic) => {
                let values = rows.list("values", |s| &s.values)?;
                let mask = batch.samples.iter().map(|s| s.mask.as_slice());
                let input = ValueInput {
                    old_values: values.clone(),
                    values,
                    returns: rows.numbers("returns", &advantages.returns)?,
                    mask: padded_mask(mask, rows.shape, device),
                    weights: rows.weights(),
                };
                Some(differentiate_values(&critic, input))
            }
            None => None,
        };
        let ragged = |x: Tensor<2>| {
            let values: Vec<f32> = x.into_data().iter().collect();
            let rows = values.chunks(width.max(1)).zip(&batch.samples);
            rows.map(|(row, sample)| row[..sample.len()].to_vec())
                .collect()
        };
        let tokens: usize = batch.samples.iter().map(Sample::active).sum();
        let mean =
            |stat: Tensor<2>| f64::from(stat.sum().into_scalar::<f32>()) / tokens.max(1) as f64;
        let d_entropy = out.d_entropy.unwrap_or_else(|| out.d_logp.zeros_like());
        Ok(Applied {
            token_loss: ragged(out.token_loss),
            loss: out.loss.into_scalar::<f32>(),
            d_logp: ragged(out.d_logp),
            d_entropy: ragged(d_entropy),
            critic: critic.map(|(loss, d)| (loss.into_scalar::<f32>(), ragged(d))),
            stats: out
                .stats
                .into_iter()
                .map(|(name, stat)| (name.into_owned(), mean(stat)))
                .collect(),
            advantages,
        })
    }
}
