//! The configuration of a run, section by section.

use crate::{
    algo,
    data::{Columns, Curriculum, RowFormat},
    error::RlError,
    recipe::{Recipe, RunFacts},
};
use burn_rewards::{RewardConfig, RewardFn};
use burn_vlm::{generate::Sampling, tape::ActivationRecompute};
use serde::{Deserialize, Serialize};
use toml::Table;

/// Everything a run depends on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunConfig {
    /// Name of the run; its directory is `runs/<name>` unless another is given.
    pub name: String,
    /// Seed of everything random.
    pub seed: u64,
    /// The model that is trained.
    pub model: ModelConfig,
    /// What it is trained on.
    pub data: DataConfig,
    /// How completions are sampled.
    pub rollout: RolloutConfig,
    /// How completions are rewarded.
    pub reward: RewardConfig,
    /// What is learned from rewards.
    pub algo: AlgoConfig,
    /// How long and in which batches.
    pub train: TrainConfig,
    /// The optimiser.
    pub optim: OptimConfig,
    /// Measuring on held-out data.
    pub eval: EvalConfig,
    /// What is kept to continue from.
    pub checkpoint: CheckpointConfig,
}

/// The model that is trained.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// A Hugging Face model directory.
    pub path: String,
    /// Whether its weights are loaded or drawn.
    pub init: ModelInit,
    /// A system message before every conversation that has none; empty for no such message.
    pub system: String,
}

/// Where weights come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelInit {
    /// From the directory.
    #[default]
    Pretrained,
    /// Drawn from the run's seed; the directory needs no weights.
    Random,
}

/// What the model is trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// A file of rows: JSONL, a JSON list, or parquet; or a directory of parquet files.
    pub train: String,
    /// Which field of a row means what, where the usual names do not say.
    pub columns: Columns,
    /// What the last question of a row is put into, at `{question}`. Where it has `<image>` marks
    /// of its own, those of the question are left out. Empty to leave questions as they are.
    pub template: String,
    /// Several sets in place of `train`.
    pub blend: Vec<SetConfig>,
    /// Whether each epoch is in an order of its own; else rows come as they stand in the file.
    pub shuffle: bool,
    /// Whether an epoch goes by how hard its rows are.
    pub curriculum: Curriculum,
    /// Longest prompt in tokens, pictures included.
    pub max_prompt_tokens: usize,
    /// What a row that cannot be used does.
    pub on_error: OnError,
}

/// What becomes of a row that cannot be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// It ends the run with file and line.
    #[default]
    Error,
    /// It is left out and counted; all rows are read through before the first step.
    Skip,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            train: String::new(),
            columns: Columns::default(),
            template: String::new(),
            blend: vec![],
            shuffle: true,
            curriculum: Curriculum::None,
            max_prompt_tokens: 4096,
            on_error: OnError::Error,
        }
    }
}

/// One set of a blend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetConfig {
    /// As `data.train`.
    pub path: String,
    /// How often a prompt is from this set, relative to the others.
    #[serde(default = "one")]
    pub weight: f64,
    /// As `data.columns`.
    #[serde(default)]
    pub columns: Columns,
    /// As `data.template`.
    #[serde(default)]
    pub template: String,
}

fn one() -> f64 {
    1.0
}

impl SetConfig {
    /// How its rows are read.
    pub fn format(&self) -> RowFormat {
        RowFormat {
            columns: self.columns.clone(),
            template: self.template.clone(),
        }
    }
}

impl DataConfig {
    /// The sets that are trained on: those of the blend, or the one.
    pub fn sets(&self) -> Vec<SetConfig> {
        match self.blend.is_empty() {
            true => vec![self.set(&self.train)],
            false => self.blend.clone(),
        }
    }

    /// A file that is read as `train` is.
    pub fn set(&self, path: &str) -> SetConfig {
        SetConfig {
            path: path.into(),
            weight: 1.0,
            columns: self.columns.clone(),
            template: self.template.clone(),
        }
    }

    fn check(&self) -> Result<(), RlError> {
        let refuse = |message: String| Err(RlError::Config(message));
        if !self.blend.is_empty() && !self.train.is_empty() {
            return refuse("data.train and data.blend are both set, expected one of them".into());
        }
        if self.blend.is_empty() && self.train.is_empty() {
            return refuse("data.train is empty, expected a path".into());
        }
        self.set("").format().check("data.template")?;
        for (i, set) in self.blend.iter().enumerate() {
            if !(set.weight > 0.0 && set.weight.is_finite()) {
                let weight = set.weight;
                return refuse(format!(
                    "data.blend[{i}].weight is {weight}, expected above 0"
                ));
            }
            set.format().check(&format!("data.blend[{i}].template"))?;
        }
        Ok(())
    }
}

/// How completions are sampled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RolloutConfig {
    /// Prompts in a step.
    pub prompts_per_step: usize,
    /// Completions of each prompt.
    pub samples_per_prompt: usize,
    /// Most sequences that are decoded together.
    pub max_batch: usize,
    /// How tokens are drawn.
    pub sampling: Sampling,
}

impl Default for RolloutConfig {
    fn default() -> Self {
        Self {
            prompts_per_step: 32,
            samples_per_prompt: 8,
            max_batch: 256,
            sampling: Sampling::default(),
        }
    }
}

/// The algorithm and its options, which stand beside its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AlgoConfig {
    /// Name, as `trainer algos` lists it.
    pub name: String,
    /// Options of that algorithm.
    #[serde(flatten)]
    pub options: Table,
}

impl Default for AlgoConfig {
    fn default() -> Self {
        Self {
            name: "grpo".into(),
            options: Table::new(),
        }
    }
}

impl AlgoConfig {
    /// The algorithm's parts.
    ///
    /// # Errors
    /// An unknown algorithm, an unknown option or a value that makes no sense.
    pub fn recipe(&self) -> Result<Recipe, RlError> {
        (algo::find(&self.name)?.build)(&self.options)
    }

    /// The same with every option spelled out.
    ///
    /// # Errors
    /// An unknown algorithm.
    pub fn resolved(&self) -> Result<Self, RlError> {
        let entry = algo::find(&self.name)?;
        let mut options = (entry.defaults)();
        options.extend(self.options.clone());
        Ok(Self {
            name: entry.name.into(),
            options,
        })
    }
}

/// How long, and in which batches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Steps: one rollout and its updates each.
    pub steps: u64,
    /// Passes over each rollout.
    pub epochs: usize,
    /// Optimiser steps a pass.
    pub mini_batches: usize,
    /// Sequences that are differentiated together; the result does not depend on it.
    pub micro_batch: usize,
    /// What is kept for the backward pass.
    pub activation_recompute: ActivationRecompute,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            steps: 100,
            epochs: 1,
            mini_batches: 1,
            micro_batch: 16,
            activation_recompute: ActivationRecompute::Block,
        }
    }
}

/// AdamW and its schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimConfig {
    /// Peak learning rate.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Decoupled decay of matrices; norms and biases have none.
    pub weight_decay: f32,
    /// Largest norm of all gradients together; 0 for no limit.
    pub max_grad_norm: f64,
    /// Steps in which the rate rises from 0.
    pub warmup_steps: u64,
    /// What the rate does then.
    pub schedule: LrSchedule,
    /// Where a cosine ends, as a share of the peak.
    pub min_lr_ratio: f64,
}

/// The rate after the warm-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LrSchedule {
    /// Stays.
    #[default]
    Constant,
    /// Falls to `min_lr_ratio` along half a cosine.
    Cosine,
}

impl Default for OptimConfig {
    fn default() -> Self {
        Self {
            lr: 1e-6,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            max_grad_norm: 1.0,
            warmup_steps: 0,
            schedule: LrSchedule::Constant,
            min_lr_ratio: 0.0,
        }
    }
}

/// Measuring on held-out data, greedily.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvalConfig {
    /// A JSONL file; empty for no evaluation.
    pub data: String,
    /// How the set is called in metrics.
    pub name: String,
    /// Steps between evaluations; there is one before the first step and one after the last in
    /// any case. 0 for no others.
    pub every: u64,
    /// Rows used, from the first; 0 for all.
    pub samples: usize,
    /// A completion is cut after this many tokens.
    pub max_new_tokens: usize,
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self {
            data: String::new(),
            name: "eval".into(),
            every: 0,
            samples: 0,
            max_new_tokens: 512,
        }
    }
}

/// What is kept to continue from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointConfig {
    /// Steps between checkpoints; there is one after the last step in any case. 0 for no others.
    pub every: u64,
    /// How many are kept, the newest first.
    pub keep: usize,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self { every: 50, keep: 2 }
    }
}

impl RunConfig {
    /// Refuses values that make no sense, alone or together, before anything is loaded.
    ///
    /// # Errors
    /// The key, what was found and what was expected.
    pub fn check(&self) -> Result<(), RlError> {
        let refuse = |message: String| Err(RlError::Config(message));
        let at_least_one = [
            ("rollout.prompts_per_step", self.rollout.prompts_per_step),
            (
                "rollout.samples_per_prompt",
                self.rollout.samples_per_prompt,
            ),
            ("rollout.max_batch", self.rollout.max_batch),
            ("train.epochs", self.train.epochs),
            ("train.mini_batches", self.train.mini_batches),
            ("train.micro_batch", self.train.micro_batch),
            ("checkpoint.keep", self.checkpoint.keep),
            ("eval.max_new_tokens", self.eval.max_new_tokens),
            ("data.max_prompt_tokens", self.data.max_prompt_tokens),
        ];
        for (key, value) in at_least_one {
            if value == 0 {
                return refuse(format!("{key} is 0, expected at least 1"));
            }
        }
        if self.model.path.is_empty() {
            return refuse("model.path is empty, expected a path".into());
        }
        self.data.check()?;
        let (prompts, parts) = (self.rollout.prompts_per_step, self.train.mini_batches);
        if !prompts.is_multiple_of(parts) {
            return refuse(format!(
                "rollout.prompts_per_step is {prompts}, expected a multiple of \
                 train.mini_batches, which is {parts}"
            ));
        }
        self.rollout.sampling.check()?;
        self.optim.check()?;
        let recipe = self.algo.recipe()?;
        let fits = recipe.check(&RunFacts {
            samples_per_prompt: self.rollout.samples_per_prompt,
            max_new_tokens: self.rollout.sampling.max_new_tokens,
            reward_parts: self.reward.build()?.part_names(),
        });
        fits.map_err(|e| RlError::Config(format!("`{}`: {e}", self.algo.name)))?;
        Ok(())
    }
}

impl OptimConfig {
    fn check(&self) -> Result<(), RlError> {
        let ranges = [
            ("lr", self.lr, 0.0, f64::MAX),
            ("beta1", f64::from(self.beta1), 0.0, 0.999_999),
            ("beta2", f64::from(self.beta2), 0.0, 0.999_999),
            ("epsilon", f64::from(self.epsilon), 0.0, 1.0),
            ("weight_decay", f64::from(self.weight_decay), 0.0, f64::MAX),
            ("max_grad_norm", self.max_grad_norm, 0.0, f64::MAX),
            ("min_lr_ratio", self.min_lr_ratio, 0.0, 1.0),
        ];
        for (key, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                let expected = if high == f64::MAX {
                    "0 or more".into()
                } else {
                    format!("{low} to {high}")
                };
                return Err(RlError::Config(format!(
                    "optim.{key} is {value}, expected {expected}"
                )));
            }
        }
        Ok(())
    }
}
