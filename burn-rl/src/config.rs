//! The configuration of a run, section by section.

mod critic;
mod eval;
mod filter;
mod optim;
mod train;

pub use critic::CriticConfig;
pub use eval::{EvalConfig, EvalWeights};
pub use filter::{FilterConfig, ShortBatchChoice};
pub use optim::{LrSchedule, OptimConfig};
pub use train::{DemonstrationConfig, TrainConfig};

use crate::{
    algo,
    data::{Columns, Curriculum, RowFormat},
    error::RlError,
    recipe::{Recipe, RunFacts},
    trainable,
};
use burn_rewards::{RewardConfig, RewardFn};
use burn_vlm::{Precision, generate::Sampling, lora::LoraConfig, processor::ProcessorOptions};
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

/// The model that is trained.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// A Hugging Face model directory.
    pub path: String,
    /// Whether its weights are loaded or drawn.
    pub init: ModelInit,
    /// What it computes in: `auto` (bf16 on GPUs, f32 on CPUs), `f32` or `bf16`. What is trained is
    /// kept in f32 whatever this is.
    pub dtype: Precision,
    /// A system message before every conversation that has none; empty for no such message.
    pub system: String,
    /// Tensors of its files that may be missing, unused or misshapen, by name or by the beginning
    /// of names up to a dot. A parameter that is not read is drawn afresh.
    pub allow_tensors: Vec<String>,
    /// What is not trained: leading components of parameters' names, as `visual` or
    /// `model.layers.0..8`.
    pub freeze: Vec<String>,
    /// A chat template in place of the model's own, saved with checkpoints: a file of Jinja, or a
    /// name that `trainer generate --help` lists. Empty for the model's own.
    pub chat_template: String,
    /// How pictures are cut.
    pub images: ImagesConfig,
}

/// Limits on pictures in place of the model's own, which hold where a number is 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImagesConfig {
    /// Smallest area of a picture after resizing, in pixels (Qwen-VL models).
    pub min_pixels: usize,
    /// Largest area of a picture after resizing, in pixels (Qwen-VL models).
    pub max_pixels: usize,
    /// Fewest tiles of a picture, for models that cut it into tiles.
    pub min_tiles: usize,
    /// Most tiles of a picture, a thumbnail not counted, for models that cut it into tiles.
    pub max_tiles: usize,
    /// Whether conversations without a picture are shown a white one, as MM-Eureka trains some models.
    pub blank: bool,
    /// Whether pictures are taken as their files store them. By default each is turned as its EXIF
    /// orientation says, as transformers and datasets load it.
    pub stored_orientation: bool,
}

impl ModelConfig {
    /// What the processor is told.
    pub fn processor_options(&self) -> ProcessorOptions {
        let set = |value: usize| (value > 0).then_some(value);
        let template = &self.chat_template;
        ProcessorOptions {
            chat_template: (!template.is_empty()).then(|| template.clone()),
            min_pixels: set(self.images.min_pixels),
            max_pixels: set(self.images.max_pixels),
            min_tiles: set(self.images.min_tiles),
            max_tiles: set(self.images.max_tiles),
            blank_image: self.images.blank,
            stored_orientation: self.images.stored_orientation,
        }
    }
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
            keep: vec![],
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
        trainable::check(self)?;
        self.data.check()?;
        let (prompts, parts) = (self.rollout.prompts_per_step, self.train.mini_batches);
        if !prompts.is_multiple_of(parts) {
            return refuse(format!(
                "rollout.prompts_per_step is {prompts}, expected a multiple of \
                 train.mini_batches, which is {parts}"
            ));
        }
        self.rollout.sampling.check()?;
        let recipe = self.algo.recipe()?;
        let fits = recipe.check(&RunFacts {
            samples_per_prompt: self.rollout.samples_per_prompt,
            max_new_tokens: self.rollout.sampling.max_new_tokens,
            reward_parts: self.reward.build()?.part_names(),
        });
        fits.map_err(|e| RlError::Config(format!("`{}`: {e}", self.algo.name)))?;
        self.train.check(&recipe)?;
        self.optim.check("optim")?;
        self.critic.optim.check("critic.optim")?;
        self.eval.check(&self.train)?;
        Ok(())
    }
}

/// Refuses a number that is not from `low` to `high`; the largest number stands for no limit.
fn in_range(key: &str, value: f64, low: f64, high: f64) -> Result<(), RlError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    let expected = match high == f64::MAX {
        true => format!("{low} or more"),
        false => format!("{low} to {high}"),
    };
    Err(RlError::Config(format!(
        "{key} is {value}, expected {expected}"
    )))
}
