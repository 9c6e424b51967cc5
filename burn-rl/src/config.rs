//! The configuration of a run, section by section.

mod algo;
mod checkpoint;
mod critic;
mod data;
mod eval;
mod filter;
mod idle;
mod model;
mod optim;
mod rollout;
mod temperature;
mod train;
mod warnings;

pub use algo::AlgoConfig;
pub use checkpoint::CheckpointConfig;
pub use critic::CriticConfig;
pub use data::{DataConfig, SetConfig};
pub use eval::{EvalConfig, EvalWeights};
pub use filter::{FilterConfig, ShortBatchChoice};
pub use model::{ImagesConfig, ModelInit, ModelSection};
pub use optim::{LrSchedule, OptimConfig};
pub use rollout::RolloutConfig;
pub use temperature::LogprobTemperature;
pub use train::{DemonstrationConfig, TrainConfig};

use crate::{
    algo::Registry,
    error::RlError,
    recipe::{CompletionSource, Recipe},
    reward_names::check_parts,
    trainable::FREEZE,
    types::RunFacts,
};
use burn_rewards::{RewardConfig, RewardFn};
use burn_vlm::lora::LoraConfig;
use serde::{Deserialize, Serialize};

/// Everything a run depends on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RunConfig {
    /// Name of the run; its directory is `runs/<name>` unless another is given.
    pub name: String,
    /// Seed of everything random.
    pub seed: u64,
    /// The model that is trained.
    pub model: ModelSection,
    /// The adapter that is trained in place of the model, if any.
    pub lora: LoraConfig,
    /// What it is trained on.
    pub data: DataConfig,
    /// How completions are sampled.
    pub rollout: RolloutConfig,
    /// How completions are rewarded.
    pub reward: RewardConfig,
    /// What is learned from rewards.
    pub algo: AlgoConfig,
    /// What becomes of a batch in which filters leave gaps.
    pub filter: FilterConfig,
    /// How long and in which batches.
    pub train: TrainConfig,
    /// The optimiser.
    pub optim: OptimConfig,
    /// The critic, for algorithms that have one.
    pub critic: CriticConfig,
    /// Measuring on held-out data.
    pub eval: EvalConfig,
    /// What is kept to continue from.
    pub checkpoint: CheckpointConfig,
}

impl RunConfig {
    /// Refuses values that make no sense, alone or together, before anything is loaded. Names of
    /// algorithms and of reward rules are looked up in the registries.
    ///
    /// # Errors
    /// The key, what was found and what was expected.
    pub fn check(
        &self,
        algorithms: &Registry,
        rewards: &burn_rewards::Registry,
    ) -> Result<(), RlError> {
        if self.model.path.is_empty() {
            return Err(RlError::Config(
                "model.path is empty, expected a path".into(),
            ));
        }
        self.data.check()?;
        if self.lora.is_on() && self.model.init == ModelInit::Random {
            return Err(RlError::Config(
                "lora.rank is set and model.init is `random`, expected `pretrained`: an adapter \
                 is kept apart from the weights, which must be on the disk"
                    .into(),
            ));
        }
        let sets = self.data.sets();
        let names = sets.iter().map(SetConfig::name);
        let names: Vec<&str> = names.chain([self.eval.name.as_str()]).collect();
        self.reward.check_sets(&names)?;
        let recipe = self.algo.recipe(algorithms)?;
        let reward = self.reward.build_with(rewards)?;
        if recipe.critic().is_none() && !self.critic.model.is_empty() {
            return Err(RlError::Config(format!(
                "critic.model is {:?}, but this algorithm has no critic: expected no such key",
                self.critic.model
            )));
        }
        self.check_with(&recipe, &reward, [&self.eval])?;
        self.check_idle(&recipe)
    }

    /// Refuses settings that make no sense for a run of this recipe, with this reward.
    /// Paths are not looked at, nor the algorithm, reward and evaluation that the configuration
    /// names.
    pub(crate) fn check_with<'a>(
        &self,
        recipe: &Recipe,
        reward: &dyn RewardFn,
        evaluations: impl IntoIterator<Item = &'a EvalConfig>,
    ) -> Result<(), RlError> {
        let refuse = |message: String| Err(RlError::Config(message));
        let (rollout, reward_parts) = (&self.rollout, reward.part_names());
        if recipe.source() == CompletionSource::Policy {
            reward.check_length(rollout.sampling.max_new_tokens)?;
        }
        let at_least_one = [
            ("rollout.prompts_per_step", rollout.prompts_per_step),
            ("rollout.samples_per_prompt", rollout.samples_per_prompt),
            ("rollout.max_batch", rollout.max_batch),
            ("rollout.max_tokens", rollout.max_tokens),
            ("train.epochs", self.train.epochs),
            ("train.mini_batches", self.train.mini_batches),
            ("train.micro_batch", self.train.micro_batch),
            ("checkpoint.keep", self.checkpoint.keep),
            ("data.max_prompt_tokens", self.data.max_prompt_tokens),
        ];
        for (key, value) in at_least_one {
            if value == 0 {
                return refuse(format!("{key} is 0, expected at least 1"));
            }
        }
        check_trainable(self)?;
        let (prompts, parts) = (rollout.prompts_per_step, self.train.mini_batches);
        if !prompts.is_multiple_of(parts) {
            return refuse(format!(
                "rollout.prompts_per_step is {prompts}, expected a multiple of \
                 train.mini_batches, which is {parts}"
            ));
        }
        let sampling = rollout.sampling.check();
        sampling.map_err(|e| RlError::Config(format!("rollout.sampling.{e}")))?;
        if recipe.source() == CompletionSource::Policy && rollout.sampling.temperature == 0.0 {
            return refuse(
                "rollout.sampling.temperature is 0, expected above 0: greedy completions of a \
                 prompt are all alike, so nothing is explored and nothing can be compared"
                    .into(),
            );
        }
        let fits = recipe.check_run(&RunFacts {
            samples_per_prompt: rollout.samples_per_prompt,
            max_new_tokens: rollout.sampling.max_new_tokens,
            reward_parts: reward_parts.clone(),
        });
        fits.map_err(|e| RlError::Config(format!("`{}`: {e}", self.algo.name)))?;
        self.filter.check(recipe)?;
        check_parts(&reward_parts)?;
        self.train.check(recipe)?;
        self.optim.check("optim")?;
        self.critic.optim.check("critic.optim")?;
        let longest = self.data.max_prompt_tokens;
        if recipe.source() == CompletionSource::Policy {
            let (key, new) = ("max_new_tokens", rollout.sampling.max_new_tokens);
            rollout.check_room(longest, &format!("rollout.sampling.{key}"), new)?;
        }
        evaluations.into_iter().try_for_each(|eval| {
            if !eval.data.is_empty() {
                rollout.check_room(longest, "eval.max_new_tokens", eval.max_new_tokens)?;
            }
            eval.check(&self.train)
        })
    }
}

/// Refuses settings of what is trained that do not go together.
fn check_trainable(config: &RunConfig) -> Result<(), RlError> {
    config.lora.check()?;
    if config.lora.is_on() && !config.model.freeze.is_empty() {
        let found = config.lora.rank;
        return Err(RlError::Config(format!(
            "lora.rank is {found} and {FREEZE} is set, expected one of them: beside an adapter \
             everything is frozen as it is"
        )));
    }
    if config.lora.is_on()
        && config.train.reference_refresh_steps > 0
        && config.train.reference_mix < 1.0
    {
        return Err(RlError::Config(format!(
            "train.reference_mix is {} and lora.rank is set, expected 1: the weights between a \
             model without an adapter and one with it are no adapter",
            config.train.reference_mix
        )));
    }
    Ok(())
}

/// Refuses a number that is not from `low` to `high`; the largest number stands for no limit.
fn in_range(key: &str, value: f64, low: f64, high: f64) -> Result<(), RlError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    let expected = match high >= f64::from(f32::MAX) {
        true => format!("{low} or more"),
        false => format!("{low} to {high}"),
    };
    Err(RlError::Config(format!(
        "{key} is {value}, expected {expected}"
    )))
}
