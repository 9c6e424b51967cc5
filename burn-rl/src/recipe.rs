//! A policy-gradient algorithm as data: a list of parts.

mod build;
mod builder;
mod check;
mod dry_run;

pub use builder::RecipeBuilder;

use crate::{
    advantage::AdvantageEstimator,
    correction::RolloutCorrection,
    error::RlError,
    filter::{Filter, Verdict},
    loss::{LossInput, PolicyLoss, RatioLevel, RatioReference, TokenLoss},
    reduce::LossReduction,
    regularize::{KlControl, Regularizer},
    select::{StepScores, TokenSelector},
    shape::RewardShaper,
    types::{Advantages, Needs, Rewards, RunFacts, Sample, ScoredBatch},
};
use burn::tensor::{Bool, Tensor};
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

/// The parts of an algorithm, checked, and what they read.
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_rl::{RlError, loss::LossInput, recipe::Recipe, reduce::LossReduction};
///
/// // GRPO with a loss of one's own; every other part is GRPO's.
/// let loss = |x: &LossInput| -> Result<Tensor<2>, RlError> { Ok(-(x.ratio()? * x.advantages())) };
/// let recipe = Recipe::named("grpo")?.loss(loss).reduction(LossReduction::TokenMean).build()?;
///
/// // What the learner has to compute was found by running the parts.
/// assert!(recipe.needs().old_logp && recipe.needs().ref_logp && recipe.needs().groups);
/// assert_eq!(recipe.reduction(), LossReduction::TokenMean);
/// # Ok::<(), RlError>(())
/// ```
///
/// What an algorithm is made of can be looked at, and tried on plain numbers:
///
/// ```
/// use burn_rl::{RlError, filter::Verdict, loss::{RatioLevel, RatioReference}};
/// use burn_rl::recipe::{CompletionSource, CriticSpec, Recipe};
/// use burn_rl::types::{RunFacts, Sample, ScoredBatch};
///
/// let dapo = Recipe::named("dapo")?.build()?;
/// assert_eq!(dapo.source(), CompletionSource::Policy);
/// assert_eq!((dapo.filters().len(), dapo.filter_after()), (1, 0));
/// assert_eq!((dapo.shapers().len(), dapo.regularizers().len()), (1, 0));
/// assert_eq!(dapo.ratio_level(), RatioLevel::Token);
/// assert_eq!(dapo.ratio_reference(), RatioReference::Old);
/// assert!(dapo.correction().is_none() && dapo.kl_control().is_none());
/// assert_eq!(dapo.critic(), None::<CriticSpec>);
///
/// // It compares the completions of a prompt, and leaves out those that are worth the same.
/// let run = RunFacts { samples_per_prompt: 1, max_new_tokens: 20480, reward_parts: vec![] };
/// assert!(dapo.check_run(&run).is_err());
/// let sample = |reward, tokens| Sample { reward, mask: vec![true; tokens], ..Sample::default() };
/// assert!(matches!(dapo.verdict(&[sample(1.0, 2), sample(1.0, 3)]), Verdict::Drop(_)));
///
/// // A mean over all tokens: each of five weighs a fifth.
/// let batch = ScoredBatch::from_groups([vec![sample(1.0, 2), sample(0.0, 3)]]);
/// assert_eq!(dapo.weights(&batch, &batch.groups), [(0, 0.2), (1, 0.2)]);
/// # Ok::<(), RlError>(())
/// ```
pub struct Recipe {
    parts: RecipeBuilder,
    needs: Needs,
}

/// What [`Recipe::select`] has chosen: one list a sample, one flag a response token.
///
/// ```
/// use burn_rl::{RlError, recipe::{Recipe, Selected}, select::{StepScores, TopEntropy}};
/// use burn_rl::types::{Sample, ScoredBatch};
///
/// let sample = |reward| Sample { reward, mask: vec![true; 2], ..Sample::default() };
/// let batch = ScoredBatch::from_groups([vec![sample(1.0), sample(0.0)]]);
/// let recipe = Recipe::named("dr_grpo")?.trained_tokens(TopEntropy { share: 0.5 }).build()?;
/// let scores = StepScores {
///     samples: vec![0, 1],
///     logp: vec![vec![-1.0; 2]; 2],
///     entropy: vec![vec![0.1, 0.9], vec![0.8, 0.2]],
/// };
/// let found: Selected = recipe.select(&batch, &recipe.advantages(&batch)?, &scores)?;
/// assert_eq!(found.trained_tokens, Some(vec![vec![false, true], vec![true, false]]));
/// assert_eq!(found.special_tokens, None);
/// # Ok::<(), RlError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selected {
    /// Tokens that the loss treats in a way of its own; none where all are alike.
    pub special_tokens: Option<Vec<Vec<bool>>>,
    /// Tokens that have a policy loss; none where all have.
    pub trained_tokens: Option<Vec<Vec<bool>>>,
}

impl Recipe {
    /// Starts from the three parts that every algorithm has.
    ///
    /// ```
    /// use burn_rl::{RlError, advantage::Constant, loss::PpoClip, recipe::Recipe};
    /// use burn_rl::{reduce::LossReduction, regularize::EntropyBonus};
    ///
    /// let loss = PpoClip { low: 0.2, high: 0.28, ..PpoClip::default() };
    /// let recipe = Recipe::builder(Constant(1.0), loss, LossReduction::TokenMean);
    /// assert!(recipe.regularize(EntropyBonus(0.01)).build().is_ok());
    ///
    /// // Values are checked as those of a configuration are.
    /// let loss = PpoClip { low: -0.2, ..loss };
    /// let error = Recipe::builder(Constant(1.0), loss, LossReduction::TokenMean).build();
    /// assert!(error.is_err_and(|e| e.to_string() == "algo.clip_low is -0.2, expected 0 or more"));
    /// # Ok::<(), RlError>(())
    /// ```
    pub fn builder(
        advantage: impl AdvantageEstimator + 'static,
        loss: impl PolicyLoss + 'static,
        reduction: LossReduction,
    ) -> RecipeBuilder {
        RecipeBuilder::new(Box::new(advantage), Box::new(loss), reduction)
    }

    /// The same parts, to be changed and built again.
    ///
    /// ```
    /// use burn_rl::{RlError, recipe::Recipe};
    ///
    /// let recipe = Recipe::named("grpo")?.build()?;
    /// let recipe = recipe.into_builder().horizon(1024.0);
    /// assert!(recipe.build().is_err(), "only a sum over a sequence is divided by a horizon");
    /// # Ok::<(), RlError>(())
    /// ```
    pub fn into_builder(self) -> RecipeBuilder {
        self.parts
    }

    /// Where completions come from.
    pub fn source(&self) -> CompletionSource {
        self.parts.source
    }

    /// Which groups are learned from.
    pub fn filters(&self) -> &[Box<dyn Filter>] {
        &self.parts.filters
    }

    /// Filters act from the step after this one on.
    pub fn filter_after(&self) -> u64 {
        self.parts.filter_after
    }

    /// Whether sampling goes on until enough groups are kept.
    pub fn refill(&self) -> Option<Refill> {
        self.parts.refill
    }

    /// What is done to rewards before they are compared, in order.
    pub fn shapers(&self) -> &[Box<dyn RewardShaper>] {
        &self.parts.shapers
    }

    /// Over what the loss takes its ratios.
    pub fn ratio_level(&self) -> RatioLevel {
        self.parts.ratio_level
    }

    /// Which policy these ratios are to.
    pub fn ratio_reference(&self) -> RatioReference {
        self.parts.ratio_reference
    }

    /// What the policy loss is multiplied by because the sampler is not the trainer.
    pub fn correction(&self) -> Option<&RolloutCorrection> {
        self.parts.correction.as_ref()
    }

    /// What is added to the policy loss.
    pub fn regularizers(&self) -> &[Box<dyn Regularizer>] {
        &self.parts.regularizers
    }

    /// The weight of the KL at the start and how it follows the measured KL, unless it is fixed.
    pub fn kl_control(&self) -> Option<(f64, KlControl)> {
        self.parts.kl_control
    }

    /// How tokens become one number.
    pub fn reduction(&self) -> LossReduction {
        self.parts.reduction
    }

    /// What a sum over a response is divided by, where the reduction has one.
    pub fn horizon(&self) -> f64 {
        self.parts.horizon
    }

    /// The critic, if there is one.
    pub fn critic(&self) -> Option<CriticSpec> {
        self.parts.critic
    }

    /// True for distillation: the only reward is the KL to `train.reference`, so that must be set to
    /// a different model.
    pub fn needs_teacher(&self) -> bool {
        self.parts.needs_teacher
    }

    /// What all parts read together.
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// Refuses a run in which the recipe makes no sense.
    ///
    /// # Errors
    /// The option, what was found, what was expected and why.
    pub fn check_run(&self, run: &RunFacts) -> Result<(), RlError> {
        if self.needs.groups && run.samples_per_prompt < 2 {
            return Err(RlError::Config(format!(
                "rollout.samples_per_prompt is {}, but the algorithm compares the completions of \
                 a prompt: expected at least 2",
                run.samples_per_prompt
            )));
        }
        self.shapers().iter().try_for_each(|s| s.check_run(run))?;
        self.filters().iter().try_for_each(|f| f.check_run(run))
    }

    /// What becomes of a group: the first filter that drops it decides, masks add up.
    pub fn verdict(&self, group: &[Sample]) -> Verdict {
        let mut masked: Option<(&'static str, Vec<usize>)> = None;
        for filter in self.filters() {
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
    ///
    /// ```
    /// use burn_rl::{RlError, recipe::Recipe, types::{Sample, ScoredBatch}};
    ///
    /// let sample = |reward| Sample { reward, mask: vec![true], ..Sample::default() };
    /// let batch = ScoredBatch::from_groups([vec![sample(1.0), sample(0.0)]]);
    /// let recipe = Recipe::named("dr_grpo")?.build()?;
    /// assert_eq!(recipe.advantages(&batch)?.per_token, [[0.5], [-0.5]]);
    /// # Ok::<(), RlError>(())
    /// ```
    ///
    /// # Errors
    /// A batch whose lists do not fit together, or [`RlError::NotProvided`].
    pub fn advantages(&self, batch: &ScoredBatch) -> Result<Advantages, RlError> {
        batch.check()?;
        let mut rewards = Rewards::new(batch);
        for shaper in self.shapers() {
            shaper.shape(batch, &mut rewards)?;
        }
        self.parts.advantage.estimate(batch, &rewards)
    }

    /// The weight of every token of each sample, for an optimiser step on the given groups.
    pub fn weights(&self, batch: &ScoredBatch, groups: &[Range<usize>]) -> Vec<(usize, f64)> {
        self.reduction().weights(self.horizon(), batch, groups)
    }

    /// The tokens of an optimiser step that the loss treats in a way of its own, and those that
    /// have a loss at all: one list a sample of `scores`, or none where all are alike.
    ///
    /// # Errors
    /// [`RlError::NotProvided`] for what a selector reads and is not there; lists that do not fit
    /// together.
    pub fn select(
        &self,
        batch: &ScoredBatch,
        advantages: &Advantages,
        scores: &StepScores,
    ) -> Result<Selected, RlError> {
        scores.check(batch, advantages)?;
        self.parts.select(batch, advantages, scores)
    }

    /// The loss of every token: the policy loss of `trained_tokens` (none for all), corrected for
    /// the sampler, and the regularisers of all tokens.
    ///
    /// # Errors
    /// [`RlError::NotProvided`] for what a part reads and is not there, or a loss that has another
    /// shape than `[B, R]`.
    pub fn token_loss(
        &self,
        x: &LossInput,
        trained_tokens: Option<Tensor<2, Bool>>,
    ) -> Result<TokenLoss, RlError> {
        self.parts.token_loss(x, trained_tokens)
    }
}

impl RecipeBuilder {
    fn select(
        &self,
        batch: &ScoredBatch,
        advantages: &Advantages,
        scores: &StepScores,
    ) -> Result<Selected, RlError> {
        let run = |selector: &Option<Box<dyn TokenSelector>>| match selector {
            Some(selector) => selector.select(batch, advantages, scores).map(Some),
            None => Ok(None),
        };
        Ok(Selected {
            special_tokens: run(&self.special_tokens)?,
            trained_tokens: run(&self.trained_tokens)?,
        })
    }

    fn token_loss(
        &self,
        x: &LossInput,
        trained_tokens: Option<Tensor<2, Bool>>,
    ) -> Result<TokenLoss, RlError> {
        let shaped = |part: &str, found: TokenLoss| {
            let (found_shape, expected) = (found.loss.dims(), x.mask().dims());
            match found_shape == expected {
                true => Ok(found),
                false => Err(RlError::Config(format!(
                    "{part} has shape {found_shape:?}, expected {expected:?}: one number a \
                     response token"
                ))),
            }
        };
        let mut total = shaped("the policy loss", self.loss.token_loss(x)?)?;
        if let Some(correction) = &self.correction {
            let weights = correction.weights(x)?;
            total.loss = total.loss * weights.clone();
            total = total.stat("policy/correction", weights);
        }
        if let Some(trained_tokens) = trained_tokens {
            let others = trained_tokens.bool_not();
            total.loss = total.loss.mask_fill(others, 0.0);
        }
        for regularizer in &self.regularizers {
            let TokenLoss { loss, stats } = shaped("a regulariser", regularizer.token_loss(x)?)?;
            total.loss = total.loss + loss;
            total.stats.extend(stats);
        }
        Ok(total)
    }
}
