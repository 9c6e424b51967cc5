//! From settings to the parts of a recipe.

use super::{KlPlacement, Settings};
use crate::{
    advantage::{
        AdoraWeight, AdvantageEstimator, Baseline, ClipFilter, Composed, GroupWeight, Score,
    },
    error::RlError,
    filter::{AccuracyBand, Filter, Truncated, ZeroVariance},
    loss::PolicyLoss,
    range::{above_zero, limit, non_negative},
    recipe::{CriticSpec, Recipe, RecipeBuilder, Refill},
    regularize::{EntropyBonus, Kl, KlControl, PolicyDrift, Regularizer},
    select::{TokenSelector, TopEntropy},
    shape::{KlReward, LengthReward, OutcomeWeight, Overlong, RewardClip, RewardShaper},
};

fn refuse(message: impl Into<String>) -> Result<(), RlError> {
    Err(RlError::Config(message.into()))
}

impl Settings {
    /// The recipe of a loss with these settings.
    ///
    /// # Errors
    /// A value, or two together, that make no sense: which, and why.
    pub fn recipe(&self, loss: impl PolicyLoss + 'static) -> Result<RecipeBuilder, RlError> {
        self.recipe_with(self.composed()?, loss)
    }

    /// The same with an estimator of advantages that is not made of the usual parts; the settings of
    /// baseline, scale, weights, discount and whitening do nothing then.
    ///
    /// # Errors
    /// As [`recipe`](Self::recipe).
    pub fn recipe_with(
        &self,
        advantage: impl AdvantageEstimator + 'static,
        loss: impl PolicyLoss + 'static,
    ) -> Result<RecipeBuilder, RlError> {
        self.check()?;
        let (s, advantages) = (self, &self.advantage);
        let mut recipe = Recipe::builder(advantage, loss, s.loss.reduction)
            .horizon(s.loss.horizon)
            .ratio_level(s.ratio.ratio_level)
            .ratio_reference(s.ratio.ratio_anchor)
            .correction(s.ratio.correction)
            .filter_after(s.filter.filter_after)
            .needs_teacher(
                s.reward.outcome_weight == 0.0
                    && s.kl.beta > 0.0
                    && s.reward.kl_in != KlPlacement::Loss,
            );
        if advantages.critic {
            let value_clip = limit("value_clip", advantages.value_clip)?;
            recipe = recipe.critic(CriticSpec { value_clip });
        }
        if s.filter.refill_rounds > 0 {
            recipe = recipe.refill(Refill {
                max_rounds: s.filter.refill_rounds,
                leftovers: s.filter.refill_leftovers,
            });
        }
        if s.loss.entropy_top_share < 1.0 {
            recipe = recipe.trained_tokens(s.top_entropy());
        }
        recipe = s.filtered(s.regularized(s.shaped(recipe)?));
        Ok(recipe)
    }

    /// Refuses values that make no sense, also of parts that are switched off.
    fn check(&self) -> Result<(), RlError> {
        self.check_rewards()?;
        self.check_advantages()?;
        self.ratio.correction.check()?;
        let kl = &self.kl;
        non_negative("beta", kl.beta)?;
        non_negative("kl_target", kl.kl_target)?;
        above_zero("kl_horizon", kl.kl_horizon)?;
        self.drift().check()?;
        if kl.beta == 0.0 && kl.kl_target > 0.0 {
            return refuse(format!(
                "algo.kl_target is {}, but algo.beta is 0, so no reference model is built: a KL \
                 needs a reference, expected algo.beta above 0",
                kl.kl_target
            ));
        }
        EntropyBonus(self.loss.entropy_bonus).check()?;
        self.top_entropy().check()?;
        self.accuracy_band().check()
    }

    fn check_rewards(&self) -> Result<(), RlError> {
        let s = &self.reward;
        OutcomeWeight(s.outcome_weight).check()?;
        LengthReward(s.length_reward).check()?;
        non_negative("reward_clip", s.reward_clip)?;
        if non_negative("overlong_penalty", s.overlong_penalty)? > 0.0 {
            self.overlong()?;
        }
        Ok(())
    }

    fn check_advantages(&self) -> Result<(), RlError> {
        let s = &self.advantage;
        self.composed()?.check()?;
        self.adora().check()?;
        non_negative("clip_filter_cap", s.clip_filter_cap)?;
        non_negative("value_clip", s.value_clip)?;
        if s.critic && s.baseline != Baseline::Critic {
            return refuse(
                "algo.critic is true, but algo.baseline is not `critic`: nothing would read its \
                 values, expected algo.critic = false or algo.baseline = \"critic\"",
            );
        }
        Ok(())
    }

    fn composed(&self) -> Result<Composed, RlError> {
        let s = &self.advantage;
        let mut weights: Vec<Box<dyn GroupWeight>> = vec![];
        if s.adora_lambda != 1.0 {
            weights.push(Box::new(self.adora()));
        }
        if s.clip_filter_cap > 0.0 {
            weights.push(Box::new(ClipFilter {
                cap: s.clip_filter_cap,
            }));
        }
        Ok(Composed {
            score: Score {
                baseline: s.baseline,
                baseline_decay: s.baseline_decay,
                scale: s.scale,
                epsilon: s.std_epsilon,
                ddof: s.std_ddof,
                weights,
                clip: limit("score_clip", s.score_clip)?,
            },
            gamma: s.gamma,
            lambda: s.lambda,
            whiten: s.whiten,
            whiten_ddof: s.whiten_ddof,
        })
    }

    fn adora(&self) -> AdoraWeight {
        AdoraWeight {
            lambda: self.advantage.adora_lambda,
            success_above: self.advantage.adora_success_above,
            max_tokens: self.advantage.adora_max_tokens,
            without_success: self.advantage.adora_without_success,
            without_failure: self.advantage.adora_without_failure,
        }
    }

    fn overlong(&self) -> Result<Overlong, RlError> {
        let s = &self.reward;
        Overlong::new(s.overlong_horizon, s.overlong_buffer, s.overlong_penalty)
    }

    fn drift(&self) -> PolicyDrift {
        PolicyDrift {
            coef: self.kl.drift,
            cap: self.kl.drift_cap,
        }
    }

    fn top_entropy(&self) -> TopEntropy {
        TopEntropy {
            share: self.loss.entropy_top_share,
        }
    }

    fn accuracy_band(&self) -> AccuracyBand {
        AccuracyBand {
            part: self.filter.accuracy_part.clone(),
            low: self.filter.accuracy_low,
            high: self.filter.accuracy_high,
        }
    }

    fn shaped(&self, mut recipe: RecipeBuilder) -> Result<RecipeBuilder, RlError> {
        let s = &self.reward;
        if s.outcome_weight != 1.0 {
            recipe = recipe.shape(OutcomeWeight(s.outcome_weight));
        }
        if s.overlong_penalty > 0.0 {
            recipe = recipe.shape(self.overlong()?);
        }
        if s.length_reward != 0.0 {
            recipe = recipe.shape(LengthReward(s.length_reward));
        }
        if s.reward_clip > 0.0 {
            recipe = recipe.shape(RewardClip::new(s.reward_clip)?);
        }
        if self.kl.beta > 0.0 && s.kl_in != KlPlacement::Loss {
            recipe = recipe.shape(KlReward {
                estimator: self.kl.kl,
                beta: self.kl.beta,
                in_outcome: s.kl_in == KlPlacement::Outcome,
            });
        }
        Ok(recipe)
    }

    fn regularized(&self, mut recipe: RecipeBuilder) -> RecipeBuilder {
        let s = &self.kl;
        if s.beta > 0.0 && self.reward.kl_in == KlPlacement::Loss {
            recipe = recipe.regularize(Kl {
                estimator: s.kl,
                beta: s.beta,
            });
        }
        if s.beta > 0.0 && s.kl_target > 0.0 {
            let (target, horizon) = (s.kl_target, s.kl_horizon);
            recipe = recipe.kl_control(s.beta, KlControl { target, horizon });
        }
        if s.drift > 0.0 {
            recipe = recipe.regularize(self.drift());
        }
        match self.loss.entropy_bonus != 0.0 {
            true => recipe.regularize(EntropyBonus(self.loss.entropy_bonus)),
            false => recipe,
        }
    }

    fn filtered(&self, mut recipe: RecipeBuilder) -> RecipeBuilder {
        let s = &self.filter;
        if s.accuracy_low > 0.0 || s.accuracy_high < 1.0 {
            recipe = recipe.filter(self.accuracy_band());
        }
        if s.drop_zero_variance {
            recipe = recipe.filter(ZeroVariance);
        }
        match s.truncated {
            Truncated::Keep => recipe,
            verdict => recipe.filter(verdict),
        }
    }
}
