//! A policy-gradient algorithm as data: a list of parts.

use crate::{
    advantage::AdvantageEstimator,
    correction::RolloutCorrection,
    error::RlError,
    filter::{Filter, Verdict},
    loss::{PolicyLoss, RatioLevel},
    reduce::LossReduction,
    regularize::{KlControl, Regularizer},
    select::{StepScores, TokenSelector},
    shape::{RewardShaper, Rewards},
    types::{Advantages, Needs, Sample, ScoredBatch},
};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Where completions come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompletionSource {
    /// Sampled from the policy and rewarded.
    Policy,
    /// Demonstrated by the data.
    Data,
}

/// Which policy ratios are to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RatioReference {
    /// The policy before the update, by the trainer.
    #[default]
    Old,
    /// The policy that sampled, by the sampler.
    Sampler,
}

/// What becomes of groups that a refilled step has too many of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leftovers {
    /// They are thrown away.
    #[default]
    Discard,
    /// They come first in the next step.
    Carry,
}

/// Sampling on until enough groups are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refill {
    /// Most rollouts for one update; a step that is not full after them ends the run.
    pub max_rounds: usize,
    /// What becomes of surplus groups.
    pub leftovers: Leftovers,
}

/// The critic of an algorithm that has one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CriticSpec {
    /// How far a value may move from the one before the update before its loss stops pulling;
    /// none for no limit.
    pub value_clip: Option<f64>,
}

/// What parts may know of the run they are put into, before it starts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunFacts {
    /// Completions of each prompt.
    pub samples_per_prompt: usize,
    /// Longest response in tokens.
    pub max_new_tokens: usize,
    /// Names of the parts that the configured rewards produce.
    pub reward_parts: Vec<String>,
}

/// The parts of an algorithm.
pub struct Recipe {
    /// Where completions come from.
    pub source: CompletionSource,
    /// Which groups are learned from.
    pub filters: Vec<Box<dyn Filter>>,
    /// Filters act from the step after this one on.
    pub filter_after: u64,
    /// Whether sampling goes on until enough groups are kept.
    pub refill: Option<Refill>,
    /// What is done to rewards before they are compared, in order.
    pub shapers: Vec<Box<dyn RewardShaper>>,
    /// What each token is worth.
    pub advantage: Box<dyn AdvantageEstimator>,
    /// What is minimised.
    pub loss: Box<dyn PolicyLoss>,
    /// Over what the loss takes its ratios.
    pub ratio: RatioLevel,
    /// Which policy these ratios are to.
    pub ratio_reference: RatioReference,
    /// Which tokens the loss treats in a way of its own.
    pub special_tokens: Option<Box<dyn TokenSelector>>,
    /// Which tokens have a policy loss at all; the others still count in means.
    pub trained_tokens: Option<Box<dyn TokenSelector>>,
    /// What the policy loss is multiplied by because the sampler is not the trainer.
    pub correction: Option<RolloutCorrection>,
    /// What is added to it.
    pub regularizers: Vec<Box<dyn Regularizer>>,
    /// The weight of the KL at the start and how it follows the measured KL, unless it is fixed.
    pub kl_control: Option<(f64, KlControl)>,
    /// How tokens become one number.
    pub reduction: LossReduction,
    /// What a sum over a response is divided by, where `reduction` has one.
    pub horizon: f64,
    /// The critic, if there is one.
    pub critic: Option<CriticSpec>,
    /// Whether nearness to the reference model is the only reward, so that it has to be another
    /// model than the policy: a teacher.
    pub needs_teacher: bool,
}

impl Recipe {
    /// A recipe of the three parts that every algorithm has.
    pub fn new(
        advantage: impl AdvantageEstimator + 'static,
        loss: impl PolicyLoss + 'static,
        reduction: LossReduction,
    ) -> Self {
        Self {
            source: CompletionSource::Policy,
            filters: vec![],
            filter_after: 0,
            refill: None,
            shapers: vec![],
            advantage: Box::new(advantage),
            loss: Box::new(loss),
            ratio: RatioLevel::Token,
            ratio_reference: RatioReference::Old,
            special_tokens: None,
            trained_tokens: None,
            correction: None,
            regularizers: vec![],
            kl_control: None,
            reduction,
            horizon: 1.0,
            critic: None,
            needs_teacher: false,
        }
    }

    /// Learns from the data's own completions.
    pub fn demonstrated(mut self) -> Self {
        self.source = CompletionSource::Data;
        self
    }

    /// Adds a filter.
    pub fn filter(mut self, filter: impl Filter + 'static) -> Self {
        self.filters.push(Box::new(filter));
        self
    }

    /// Adds a regulariser.
    pub fn regularize(mut self, regularizer: impl Regularizer + 'static) -> Self {
        self.regularizers.push(Box::new(regularizer));
        self
    }

    /// Adds a reward shaper.
    pub fn shape(mut self, shaper: impl RewardShaper + 'static) -> Self {
        self.shapers.push(Box::new(shaper));
        self
    }

    /// What all parts need together.
    pub fn needs(&self) -> Needs {
        let parts = self.regularizers.iter().map(|r| r.needs());
        let parts = parts.chain(self.shapers.iter().map(|s| s.needs()));
        let selectors = [&self.special_tokens, &self.trained_tokens]
            .into_iter()
            .flatten();
        let parts = parts.chain(selectors.map(|s| s.needs()));
        let own = Needs {
            step_scores: self.special_tokens.is_some() || self.trained_tokens.is_some(),
            values: self.critic.is_some(),
            old_logp: self.correction.is_some(),
            sample_logp: self.correction.is_some()
                || self.ratio_reference == RatioReference::Sampler,
            ..Needs::default()
        };
        let own = own.union(self.loss.needs()).union(self.advantage.needs());
        parts.fold(own, Needs::union)
    }

    /// Refuses a run in which the recipe makes no sense.
    ///
    /// # Errors
    /// The option, what was found, what was expected and why.
    pub fn check(&self, run: &RunFacts) -> Result<(), RlError> {
        if self.needs().groups && run.samples_per_prompt < 2 {
            return Err(RlError::Config(format!(
                "rollout.samples_per_prompt is {}, but the algorithm compares the completions of \
                 a prompt: expected at least 2",
                run.samples_per_prompt
            )));
        }
        self.shapers.iter().try_for_each(|s| s.check(run))?;
        self.filters.iter().try_for_each(|f| f.check(run))
    }

    /// What becomes of a group: the first filter that drops it decides, masks add up.
    pub fn verdict(&self, group: &[Sample]) -> Verdict {
        let mut masked: Option<(&'static str, Vec<usize>)> = None;
        for filter in &self.filters {
            match filter.verdict(group) {
                Verdict::Keep => {}
                Verdict::Drop(reason) => return Verdict::Drop(reason),
                Verdict::Mask(reason, indices) => {
                    masked.get_or_insert((reason, vec![])).1.extend(indices);
                }
            }
        }
        masked.map_or(Verdict::Keep, |(reason, mut indices)| {
            indices.sort_unstable();
            indices.dedup();
            Verdict::Mask(reason, indices)
        })
    }

    /// What every token of a batch is worth.
    pub fn advantages(&self, batch: &ScoredBatch) -> Advantages {
        let mut rewards = Rewards::new(batch);
        for shaper in &self.shapers {
            shaper.shape(batch, &mut rewards);
        }
        self.advantage.estimate(batch, &rewards)
    }

    /// The weight of every token of each sample, for an optimiser step on the given groups.
    pub fn weights(&self, batch: &ScoredBatch, groups: &[Range<usize>]) -> Vec<(usize, f64)> {
        self.reduction.weights(self.horizon, batch, groups)
    }

    /// The tokens of an optimiser step that the loss treats in a way of its own, and those that
    /// have a loss at all: one list a sample of `scores`, or none where all are alike.
    pub fn select(
        &self,
        batch: &ScoredBatch,
        advantages: &Advantages,
        scores: &StepScores,
    ) -> Selected {
        let run = |selector: &Option<Box<dyn TokenSelector>>| {
            selector
                .as_ref()
                .map(|s| s.select(batch, advantages, scores))
        };
        Selected {
            special_tokens: run(&self.special_tokens),
            trained_tokens: run(&self.trained_tokens),
        }
    }
}

/// What [`Recipe::select`] has chosen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selected {
    /// Tokens that the loss treats in a way of its own.
    pub special_tokens: Option<Vec<Vec<bool>>>,
    /// Tokens that have a policy loss.
    pub trained_tokens: Option<Vec<Vec<bool>>>,
}
