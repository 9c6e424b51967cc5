//! The axes that every algorithm shares: an algorithm sets some of them, a configuration any.

use super::check;
use crate::{
    advantage::{
        Adora, AdvantageEstimator, Baseline, ClipFilter, Composed, GroupWeight, Scale, Score,
        Whiten,
    },
    correction::{CorrectionLevel, CorrectionMode, RolloutCorrection},
    error::RlError,
    filter::{AccuracyBand, Truncated, ZeroVariance},
    loss::{PolicyLoss, RatioLevel},
    recipe::{CriticSpec, Leftovers, RatioReference, Recipe, Refill},
    reduce::LossReduction,
    regularize::{EntropyBonus, Kl, KlControl, KlEstimator, PolicyDrift},
    select::TopEntropy,
    shape::{KlReward, LengthReward, OutcomeWeight, Overlong, RewardClip},
};
use serde::{Deserialize, Serialize};

/// Where the KL to the reference model goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlPlacement {
    /// Into the loss: its gradient flows through the estimator.
    #[default]
    Loss,
    /// Into the reward of each token.
    Reward,
    /// Into the reward of the response, as a sum, before any baseline.
    Outcome,
}

/// Whether importance weights correct for the sampler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Correction {
    /// They do not.
    #[default]
    None,
    /// They are cut to their bounds.
    Truncate,
    /// They are 0 outside their bounds.
    Mask,
}

/// One setting of the axes. The defaults are those of GRPO without a KL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Composition {
    /// Factor of the reward of a response; 0 leaves only the rewards of tokens.
    pub outcome_weight: f64,
    /// Reward of every token of a response; negative, a price.
    pub length_reward: f64,
    /// Rewards are cut to ± this; 0 for no limit.
    pub reward_clip: f64,
    /// Penalty of a response as long as `overlong_horizon`; 0 for none.
    pub overlong_penalty: f64,
    /// Length in tokens at which the whole penalty is due.
    pub overlong_horizon: usize,
    /// Over how many tokens before the horizon the penalty grows.
    pub overlong_buffer: usize,
    /// What is subtracted from the reward.
    pub baseline: Baseline,
    /// Share of the old average in the baseline `moving_average`.
    pub baseline_decay: f64,
    /// What the difference is divided by.
    pub scale: Scale,
    /// Standard deviations divide by n minus this.
    pub std_ddof: u8,
    /// Added to the divisor.
    pub std_epsilon: f64,
    /// ADORA's weight of groups in which longer is not better; 1 for no such weight.
    pub adora_lambda: f64,
    /// A response counts as right for ADORA if its reward is above this.
    pub adora_success_above: f64,
    /// A wrong response counts for ADORA if it has fewer tokens than this.
    pub adora_max_tokens: f64,
    /// Whether a group without a right response counts fully for ADORA.
    pub adora_without_success: bool,
    /// Whether a group with a right but no wrong response that counts does.
    pub adora_without_failure: bool,
    /// Largest weight that makes up for groups of equal rewards; 0 for no such weight.
    pub clip_filter_cap: f64,
    /// Scores, rewards over baseline and scale, are cut to ± this; 0 for no limit.
    pub score_clip: f64,
    /// Discount a token.
    pub gamma: f64,
    /// λ of generalised advantage estimation, where the baseline is the critic.
    pub lambda: f64,
    /// What is done to the advantages of all tokens of a batch together.
    pub whiten: Whiten,
    /// Whitening divides by n minus this.
    pub whiten_ddof: u8,
    /// Whether a critic is trained.
    pub critic: bool,
    /// How far the critic's value may move before its loss stops pulling; 0 for no limit.
    pub value_clip: f64,
    /// Over what the loss takes its ratios.
    pub ratio_level: RatioLevel,
    /// Which policy the ratios are to.
    pub ratio_anchor: RatioReference,
    /// Whether importance weights of the old policy over the sampler multiply the loss.
    pub correction: Correction,
    /// Over what these weights are taken.
    pub correction_level: CorrectionLevel,
    /// Their lower bound.
    pub correction_low: f64,
    /// Their upper bound.
    pub correction_high: f64,
    /// Weight of the entropy in the loss; 0 for none.
    pub entropy_bonus: f64,
    /// Share of tokens, those of the greatest entropy, that have a policy loss; 1 for all.
    pub entropy_top_share: f64,
    /// Weight of the KL to the reference model; at 0 no reference model is built.
    pub beta: f64,
    /// Estimator of the KL.
    pub kl: KlEstimator,
    /// Where the KL goes.
    pub kl_in: KlPlacement,
    /// KL a token that `beta` is steered to; 0 for a fixed `beta`.
    pub kl_target: f64,
    /// Over how many completions `beta` may change by a fifth.
    pub kl_horizon: f64,
    /// Weight of the drift from the policy before the update; 0 for none.
    pub drift: f64,
    /// The ratio counts in the drift up to 1 plus this.
    pub drift_cap: f64,
    /// How tokens become one number.
    pub reduction: LossReduction,
    /// What `sequence_sum` divides by.
    pub horizon: f64,
    /// Whether groups of equal rewards are left out of the update.
    pub drop_zero_variance: bool,
    /// What becomes of responses cut at the length limit.
    pub truncated: Truncated,
    /// Groups whose mean of `accuracy_part` is below this are left out.
    pub accuracy_low: f64,
    /// Groups whose mean of `accuracy_part` is above this are left out.
    pub accuracy_high: f64,
    /// The reward part that the two bounds are of.
    pub accuracy_part: String,
    /// Filters act from the step after this one on.
    pub filter_after: u64,
    /// Most rollouts for one update when filters leave too few groups; 0 for one rollout an update,
    /// however few groups it leaves.
    pub refill_rounds: usize,
    /// What becomes of surplus groups of a refilled update.
    pub refill_leftovers: Leftovers,
}

impl Default for Composition {
    fn default() -> Self {
        Self {
            outcome_weight: 1.0,
            length_reward: 0.0,
            reward_clip: 0.0,
            overlong_penalty: 0.0,
            overlong_horizon: 20480,
            overlong_buffer: 4096,
            baseline: Baseline::GroupMean,
            baseline_decay: 0.9,
            scale: Scale::GroupStd,
            std_ddof: 1,
            std_epsilon: 1e-6,
            adora_lambda: 1.0,
            adora_success_above: 0.5,
            adora_max_tokens: 4094.0,
            adora_without_success: true,
            adora_without_failure: false,
            clip_filter_cap: 0.0,
            score_clip: 0.0,
            gamma: 1.0,
            lambda: 0.95,
            whiten: Whiten::None,
            whiten_ddof: 0,
            critic: false,
            value_clip: 0.2,
            ratio_level: RatioLevel::Token,
            ratio_anchor: RatioReference::Old,
            correction: Correction::None,
            correction_level: CorrectionLevel::Token,
            correction_low: 0.0,
            correction_high: 2.0,
            entropy_bonus: 0.0,
            entropy_top_share: 1.0,
            beta: 0.0,
            kl: KlEstimator::K3,
            kl_in: KlPlacement::Loss,
            kl_target: 0.0,
            kl_horizon: 10_000.0,
            drift: 0.0,
            drift_cap: 2.0,
            reduction: LossReduction::SequenceMean,
            horizon: 1.0,
            drop_zero_variance: false,
            truncated: Truncated::Keep,
            accuracy_low: 0.0,
            accuracy_high: 1.0,
            accuracy_part: "accuracy".into(),
            filter_after: 0,
            refill_rounds: 0,
            refill_leftovers: Leftovers::Discard,
        }
    }
}

impl Composition {
    /// The names of the axes.
    pub fn keys() -> Vec<String> {
        let table = toml::Table::try_from(Self::default()).unwrap_or_default();
        table.into_iter().map(|(name, _)| name).collect()
    }

    /// The recipe of a loss on these axes.
    ///
    /// # Errors
    /// A value, or two together, that make no sense: which, and why.
    pub fn recipe(&self, loss: impl PolicyLoss + 'static) -> Result<Recipe, RlError> {
        self.recipe_with(self.advantage(), loss)
    }

    /// The same with an estimator of advantages that is not made of the usual parts; the axes of
    /// baseline, scale, weights, discount and whitening do nothing then.
    ///
    /// # Errors
    /// As [`recipe`](Self::recipe).
    pub fn recipe_with(
        &self,
        advantage: impl AdvantageEstimator + 'static,
        loss: impl PolicyLoss + 'static,
    ) -> Result<Recipe, RlError> {
        check::values(self)?;
        let mut recipe = Recipe::new(advantage, loss, self.reduction);
        recipe.horizon = self.horizon;
        recipe.ratio = self.ratio_level;
        recipe.ratio_reference = self.ratio_anchor;
        recipe.filter_after = self.filter_after;
        recipe.critic = self.critic.then_some(CriticSpec {
            value_clip: positive(self.value_clip),
        });
        recipe.needs_teacher =
            self.outcome_weight == 0.0 && self.beta > 0.0 && self.kl_in != KlPlacement::Loss;
        recipe.correction = self.correction();
        recipe.refill = (self.refill_rounds > 0).then_some(Refill {
            max_rounds: self.refill_rounds,
            leftovers: self.refill_leftovers,
        });
        if self.entropy_top_share < 1.0 {
            recipe.trained_tokens = Some(Box::new(TopEntropy {
                share: self.entropy_top_share,
            }));
        }
        let recipe = self.filtered(self.regularized(self.shaped(recipe)));
        check::parts(&recipe)?;
        Ok(recipe)
    }

    fn advantage(&self) -> Composed {
        let mut weights: Vec<Box<dyn GroupWeight>> = vec![];
        if self.adora_lambda != 1.0 {
            weights.push(Box::new(Adora {
                lambda: self.adora_lambda,
                success_above: self.adora_success_above,
                max_tokens: self.adora_max_tokens,
                without_success: self.adora_without_success,
                without_failure: self.adora_without_failure,
            }));
        }
        if let Some(cap) = positive(self.clip_filter_cap) {
            weights.push(Box::new(ClipFilter { cap }));
        }
        Composed {
            score: Score {
                baseline: self.baseline,
                baseline_decay: self.baseline_decay,
                scale: self.scale,
                epsilon: self.std_epsilon,
                ddof: self.std_ddof,
                weights,
                clip: positive(self.score_clip),
            },
            gamma: self.gamma,
            lambda: self.lambda,
            whiten: self.whiten,
            whiten_ddof: self.whiten_ddof,
        }
    }

    fn correction(&self) -> Option<RolloutCorrection> {
        let mode = match self.correction {
            Correction::None => return None,
            Correction::Truncate => CorrectionMode::Truncate,
            Correction::Mask => CorrectionMode::Mask,
        };
        Some(RolloutCorrection {
            mode,
            level: self.correction_level,
            low: self.correction_low,
            high: self.correction_high,
        })
    }

    fn shaped(&self, mut recipe: Recipe) -> Recipe {
        if self.outcome_weight != 1.0 {
            recipe = recipe.shape(OutcomeWeight(self.outcome_weight));
        }
        if self.overlong_penalty > 0.0 {
            recipe = recipe.shape(Overlong {
                horizon: self.overlong_horizon,
                buffer: self.overlong_buffer,
                penalty: self.overlong_penalty,
            });
        }
        if self.length_reward != 0.0 {
            recipe = recipe.shape(LengthReward(self.length_reward));
        }
        if self.reward_clip > 0.0 {
            recipe = recipe.shape(RewardClip(self.reward_clip));
        }
        match self.beta > 0.0 && self.kl_in != KlPlacement::Loss {
            true => recipe.shape(KlReward {
                estimator: self.kl,
                beta: self.beta,
                in_outcome: self.kl_in == KlPlacement::Outcome,
            }),
            false => recipe,
        }
    }

    fn regularized(&self, mut recipe: Recipe) -> Recipe {
        if self.beta > 0.0 && self.kl_in == KlPlacement::Loss {
            recipe = recipe.regularize(Kl {
                estimator: self.kl,
                beta: self.beta,
            });
        }
        if self.beta > 0.0 && self.kl_target > 0.0 {
            let (target, horizon) = (self.kl_target, self.kl_horizon);
            recipe.kl_control = Some((self.beta, KlControl { target, horizon }));
        }
        if self.drift > 0.0 {
            recipe = recipe.regularize(PolicyDrift {
                coef: self.drift,
                cap: self.drift_cap,
            });
        }
        match self.entropy_bonus != 0.0 {
            true => recipe.regularize(EntropyBonus(self.entropy_bonus)),
            false => recipe,
        }
    }

    fn filtered(&self, mut recipe: Recipe) -> Recipe {
        if self.accuracy_low > 0.0 || self.accuracy_high < 1.0 {
            recipe = recipe.filter(AccuracyBand {
                part: self.accuracy_part.clone(),
                low: self.accuracy_low,
                high: self.accuracy_high,
            });
        }
        if self.drop_zero_variance {
            recipe = recipe.filter(ZeroVariance);
        }
        match self.truncated {
            Truncated::Keep => recipe,
            verdict => recipe.filter(verdict),
        }
    }
}

/// A number where 0 stands for none.
pub(super) fn positive(value: f64) -> Option<f64> {
    (value > 0.0).then_some(value)
}
