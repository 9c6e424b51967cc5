//! A recipe while its parts are put together.

use super::{CompletionSource, CriticSpec, Refill};
use crate::{
    advantage::AdvantageEstimator,
    correction::{Correction, RolloutCorrection},
    filter::Filter,
    loss::{PolicyLoss, RatioLevel, RatioReference},
    reduce::LossReduction,
    regularize::{KlControl, Regularizer},
    select::TokenSelector,
    shape::RewardShaper,
};

/// The parts of a [`Recipe`](super::Recipe) before they are checked.
///
/// ```
/// use burn_rl::{RlError, filter::{Truncated, ZeroVariance}, recipe::{Leftovers, Recipe, Refill}};
/// use burn_rl::{select::TopEntropy, shape::{Overlong, RewardClip}};
///
/// let recipe = Recipe::named("grpo")?
///     .shape(Overlong::new(1024, 256, 1.0)?)
///     .shape(RewardClip::new(5.0)?)
///     .filter(ZeroVariance)
///     .filter(Truncated::Mask)
///     .refill(Refill { max_rounds: 10, leftovers: Leftovers::Carry })
///     .trained_tokens(TopEntropy { share: 0.2 })
///     .build()?;
/// assert!(recipe.needs().step_scores && recipe.needs().entropy);
/// # Ok::<(), RlError>(())
/// ```
///
/// An actor with a critic, ratios of whole responses to the sampler's policy and a KL that is
/// steered to a target; and supervised fine-tuning:
///
/// ```
/// use burn_rl::{RlError, advantage::Constant, correction::{Correction, RolloutCorrection}};
/// use burn_rl::{loss::{Nll, RatioLevel, RatioReference}, reduce::LossReduction};
/// use burn_rl::{recipe::{CriticSpec, Recipe}, regularize::KlControl};
///
/// let recipe = Recipe::named("ppo")?
///     .critic(CriticSpec { value_clip: Some(0.2) })
///     .ratio_level(RatioLevel::Product)
///     .ratio_reference(RatioReference::Sampler)
///     .kl_control(0.01, KlControl { target: 0.1, horizon: 10_000.0 })
///     .filter_after(10)
///     .build()?;
/// assert!(recipe.needs().values && recipe.needs().behaviour_logp);
///
/// // Both would correct for the sampler.
/// let mask = RolloutCorrection { mode: Correction::Mask, ..RolloutCorrection::default() };
/// assert!(recipe.into_builder().correction(mask).build().is_err());
///
/// let sft = Recipe::builder(Constant(1.0), Nll, LossReduction::TokenMean).demonstrated();
/// assert!(!sft.build()?.needs().groups);
///
/// // The only reward is to be near to a teacher.
/// assert!(Recipe::named("grpo")?.needs_teacher(true).build()?.needs_teacher());
/// # Ok::<(), RlError>(())
/// ```
pub struct RecipeBuilder {
    pub(super) source: CompletionSource,
    pub(super) filters: Vec<Box<dyn Filter>>,
    pub(super) filter_after: u64,
    pub(super) refill: Option<Refill>,
    pub(super) shapers: Vec<Box<dyn RewardShaper>>,
    pub(super) advantage: Box<dyn AdvantageEstimator>,
    pub(super) loss: Box<dyn PolicyLoss>,
    pub(super) ratio_level: RatioLevel,
    pub(super) ratio_reference: RatioReference,
    pub(super) special_tokens: Option<Box<dyn TokenSelector>>,
    pub(super) trained_tokens: Option<Box<dyn TokenSelector>>,
    pub(super) correction: Option<RolloutCorrection>,
    pub(super) regularizers: Vec<Box<dyn Regularizer>>,
    pub(super) kl_control: Option<(f64, KlControl)>,
    pub(super) reduction: LossReduction,
    pub(super) horizon: f64,
    pub(super) critic: Option<CriticSpec>,
    pub(super) needs_teacher: bool,
}

impl RecipeBuilder {
    pub(super) fn new(
        advantage: Box<dyn AdvantageEstimator>,
        loss: Box<dyn PolicyLoss>,
        reduction: LossReduction,
    ) -> Self {
        Self {
            source: CompletionSource::Policy,
            filters: vec![],
            filter_after: 0,
            refill: None,
            shapers: vec![],
            advantage,
            loss,
            ratio_level: RatioLevel::Token,
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

    /// What each token is worth.
    pub fn advantage(mut self, advantage: impl AdvantageEstimator + 'static) -> Self {
        self.advantage = Box::new(advantage);
        self
    }

    /// What is minimised: a closure or a [`PolicyLoss`].
    pub fn loss(mut self, loss: impl PolicyLoss + 'static) -> Self {
        self.loss = Box::new(loss);
        self
    }

    /// How tokens become one number.
    pub fn reduction(mut self, reduction: LossReduction) -> Self {
        self.reduction = reduction;
        self
    }

    /// What a sum over a response is divided by; only [`LossReduction::SequenceSum`] has one.
    pub fn horizon(mut self, horizon: f64) -> Self {
        self.horizon = horizon;
        self
    }

    /// Learns from the data's own completions.
    pub fn demonstrated(mut self) -> Self {
        self.source = CompletionSource::Data;
        self
    }

    /// Adds a filter of groups.
    pub fn filter(mut self, filter: impl Filter + 'static) -> Self {
        self.filters.push(Box::new(filter));
        self
    }

    /// Filters act from the step after this one on.
    pub fn filter_after(mut self, step: u64) -> Self {
        self.filter_after = step;
        self
    }

    /// Samples on until enough groups are kept.
    pub fn refill(mut self, refill: Refill) -> Self {
        self.refill = Some(refill);
        self
    }

    /// Adds a reward shaper, after those that are there.
    pub fn shape(mut self, shaper: impl RewardShaper + 'static) -> Self {
        self.shapers.push(Box::new(shaper));
        self
    }

    /// Over what the loss takes its ratios.
    pub fn ratio_level(mut self, level: RatioLevel) -> Self {
        self.ratio_level = level;
        self
    }

    /// Which policy these ratios are to.
    pub fn ratio_reference(mut self, reference: RatioReference) -> Self {
        self.ratio_reference = reference;
        self
    }

    /// Which tokens the loss treats in a way of its own: those that it reads as
    /// [`LossInput::special_tokens`](crate::loss::LossInput::special_tokens).
    pub fn special_tokens(mut self, selector: impl TokenSelector + 'static) -> Self {
        self.special_tokens = Some(Box::new(selector));
        self
    }

    /// Which tokens have a policy loss at all; the others still count in means.
    pub fn trained_tokens(mut self, selector: impl TokenSelector + 'static) -> Self {
        self.trained_tokens = Some(Box::new(selector));
        self
    }

    /// What the policy loss is multiplied by because the sampler is not the trainer.
    pub fn correction(mut self, correction: RolloutCorrection) -> Self {
        self.correction = Some(correction).filter(|c| c.mode != Correction::None);
        self
    }

    /// Adds a term to the policy loss.
    pub fn regularize(mut self, regularizer: impl Regularizer + 'static) -> Self {
        self.regularizers.push(Box::new(regularizer));
        self
    }

    /// Lets the weight of the KL, `beta` at the start, follow the measured KL.
    pub fn kl_control(mut self, beta: f64, control: KlControl) -> Self {
        self.kl_control = Some((beta, control));
        self
    }

    /// Trains a critic, whose values the advantages are over.
    pub fn critic(mut self, critic: CriticSpec) -> Self {
        self.critic = Some(critic);
        self
    }

    /// Declares that the KL to the reference model is the only reward, so that the reference has to
    /// be a different model: a teacher.
    pub fn needs_teacher(mut self, needs_teacher: bool) -> Self {
        self.needs_teacher = needs_teacher;
        self
    }
}
