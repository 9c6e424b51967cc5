//! The settings that every algorithm shares, in groups. In a configuration all of them stand in
//! `[algo]`, beside the algorithm's own options.

use crate::{
    advantage::{Baseline, Scale, Whiten},
    correction::RolloutCorrection,
    filter::Truncated,
    loss::{RatioLevel, RatioReference},
    recipe::Leftovers,
    reduce::LossReduction,
    regularize::KlEstimator,
};
use burn_rewards::choices;
use serde::{Deserialize, Serialize};
use toml::Table;

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

/// The settings that every algorithm shares. The defaults are those of GRPO without a KL; an
/// algorithm changes some of them, a configuration any.
///
/// ```
/// use burn_rl::{RlError, algo::Settings, advantage::Baseline, loss::Nll};
///
/// let mut settings = Settings::default();
/// settings.advantage.baseline = Baseline::LeaveOneOut;
/// settings.kl.beta = 0.01;
/// assert!(settings.recipe(Nll)?.build()?.needs().ref_logp);
///
/// settings.advantage.gamma = 1.5;
/// let error = settings.recipe(Nll).map(|_| ()).unwrap_err();
/// assert_eq!(error.to_string(), "algo.gamma is 1.5, expected 0 to 1");
/// # Ok::<(), RlError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// What is done to rewards before they are compared.
    #[serde(flatten)]
    pub reward: RewardSettings,
    /// What a token is worth.
    #[serde(flatten)]
    pub advantage: AdvantageSettings,
    /// Ratios to other policies.
    #[serde(flatten)]
    pub ratio: RatioSettings,
    /// Staying near other policies.
    #[serde(flatten)]
    pub kl: KlSettings,
    /// Entropy, and how tokens become one number.
    #[serde(flatten)]
    pub loss: LossSettings,
    /// Which groups are learned from.
    #[serde(flatten)]
    pub filter: FilterSettings,
}

/// A group of [`Settings`]; [`Algorithm::USES`](super::Algorithm::USES) lists those that an algorithm
/// reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingsGroup {
    /// [`RewardSettings`]
    Reward,
    /// [`AdvantageSettings`]
    Advantage,
    /// [`RatioSettings`]
    Ratio,
    /// [`KlSettings`]
    Kl,
    /// [`LossSettings`]
    Loss,
    /// [`FilterSettings`]
    Filter,
}

impl SettingsGroup {
    /// All groups.
    pub const ALL: &'static [Self] = &[
        Self::Reward,
        Self::Advantage,
        Self::Ratio,
        Self::Kl,
        Self::Loss,
        Self::Filter,
    ];
}

impl Settings {
    /// The names of all settings, as a configuration has them.
    pub fn keys() -> Vec<String> {
        Self::default()
            .table(SettingsGroup::ALL)
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    }

    /// The settings of some groups by name.
    pub(super) fn table(&self, groups: &[SettingsGroup]) -> Table {
        let table = |group: &SettingsGroup| {
            let table = match group {
                SettingsGroup::Reward => Table::try_from(&self.reward),
                SettingsGroup::Advantage => Table::try_from(&self.advantage),
                SettingsGroup::Ratio => Table::try_from(&self.ratio),
                SettingsGroup::Kl => Table::try_from(&self.kl),
                SettingsGroup::Loss => Table::try_from(&self.loss),
                SettingsGroup::Filter => Table::try_from(&self.filter),
            };
            table.unwrap_or_default()
        };
        groups.iter().flat_map(table).collect()
    }

    /// Whether one of the settings has this name.
    pub fn has(name: &str) -> bool {
        Self::default().table(SettingsGroup::ALL).contains_key(name)
    }

    /// The names that a setting takes; none where it is no choice among names.
    pub(super) fn choices(name: &str) -> Vec<&'static str> {
        let groups = [
            choices::<RewardSettings>,
            choices::<AdvantageSettings>,
            choices::<RatioSettings>,
            choices::<KlSettings>,
            choices::<LossSettings>,
            choices::<FilterSettings>,
        ];
        groups.iter().flat_map(|names| names(name)).collect()
    }
}

/// What is done to rewards before they are compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RewardSettings {
    /// Multiplies the outcome reward. With 0 only token-level rewards (KL, length) remain.
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
    /// Whether the KL to the reference model, weighted by `beta`, goes into rewards or the loss.
    pub kl_in: KlPlacement,
}

impl Default for RewardSettings {
    fn default() -> Self {
        Self {
            outcome_weight: 1.0,
            length_reward: 0.0,
            reward_clip: 0.0,
            overlong_penalty: 0.0,
            overlong_horizon: 20480,
            overlong_buffer: 4096,
            kl_in: KlPlacement::Loss,
        }
    }
}

/// What a token is worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdvantageSettings {
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
}

impl Default for AdvantageSettings {
    fn default() -> Self {
        Self {
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
        }
    }
}

/// Ratios to other policies.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RatioSettings {
    /// Over what the loss takes its ratios.
    pub ratio_level: RatioLevel,
    /// Which policy the ratios are to.
    pub ratio_anchor: RatioReference,
    /// Correction of the loss for a sampler that is not the trainer.
    #[serde(flatten)]
    pub correction: RolloutCorrection,
}

/// Staying near other policies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KlSettings {
    /// Weight of the KL to the reference model; at 0 no reference model is built.
    pub beta: f64,
    /// Estimator of the KL.
    pub kl: KlEstimator,
    /// KL a token that `beta` is steered to; 0 for a fixed `beta`.
    pub kl_target: f64,
    /// Horizon of the adaptive KL controller, in completions: over so many `beta` changes by at most
    /// 20 %.
    pub kl_horizon: f64,
    /// Weight of the drift from the policy before the update; 0 for none.
    pub drift: f64,
    /// The ratio counts in the drift up to 1 plus this.
    pub drift_cap: f64,
}

impl Default for KlSettings {
    fn default() -> Self {
        Self {
            beta: 0.0,
            kl: KlEstimator::K3,
            kl_target: 0.0,
            kl_horizon: 10_000.0,
            drift: 0.0,
            drift_cap: 2.0,
        }
    }
}

/// Entropy, and how tokens become one number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LossSettings {
    /// Weight of the entropy in the loss; 0 for none.
    pub entropy_bonus: f64,
    /// Share of tokens, those of the greatest entropy, that have a policy loss; 1 for all.
    pub entropy_top_share: f64,
    /// How tokens become one number.
    pub reduction: LossReduction,
    /// What `sequence_sum` divides by.
    pub horizon: f64,
}

impl Default for LossSettings {
    fn default() -> Self {
        Self {
            entropy_bonus: 0.0,
            entropy_top_share: 1.0,
            reduction: LossReduction::SequenceMean,
            horizon: 1.0,
        }
    }
}

/// Which groups are learned from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FilterSettings {
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

impl Default for FilterSettings {
    fn default() -> Self {
        Self {
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
