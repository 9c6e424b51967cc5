//! What a run will take, before it takes it.

use crate::{hub, model_dir::described_in};
use anyhow::Result;
use burn_rl::{
    adapt::count_parameters,
    config::{ModelInit, RunConfig},
    error::RlError,
};
use burn_vlm::{ModelConfig, Vlm, lora};
use std::path::Path;

/// Bytes of an f32.
const F32: f64 = 4.0;

/// Sizes of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Parameters, an adapter's included.
    pub parameters: usize,
    /// Those of them that are trained.
    pub trained: usize,
    /// Completions a step.
    pub completions: usize,
    /// Optimiser steps a step.
    pub updates: usize,
    /// Longest sequence: the longest prompt allowed and the longest response.
    pub longest: usize,
    /// Weights, and gradients and two moments of what is trained.
    pub state_bytes: f64,
    /// Key-value cache of the largest decoding batch.
    pub cache_bytes: f64,
    /// One micro-batch of the longest sequences: saved block inputs and one block's tape.
    pub activation_bytes: f64,
}

impl Plan {
    /// Plans a run of `config` on the model it names, reading no weights.
    ///
    /// # Errors
    /// Names of layers or frozen parts that the model has not.
    pub fn new(config: &RunConfig, model_config: ModelConfig) -> Result<Self, RlError> {
        let text = model_config.text.clone();
        let mut skeleton = Vlm::new(model_config, &crate::device::host());
        let dir = Path::new(&config.model.path);
        if lora::is_adapter(dir) {
            skeleton = skeleton.with_adapter(dir)?;
        }
        let [parameters, trained] = count_parameters(skeleton, config)?;
        let longest = config.data.max_prompt_tokens + config.rollout.sampling.max_new_tokens;
        let rollout = &config.rollout;
        let completions = rollout.prompts_per_step * rollout.samples_per_prompt;
        let kv = (text.num_key_value_heads * text.head_dim) as f64;
        let sequences = rollout.max_batch.min(completions) as f64;
        let tokens = (config.train.micro_batch.min(completions) * longest) as f64;
        let (d, inner) = (text.hidden_size as f64, text.intermediate_size as f64);
        let scores = (text.num_attention_heads * longest) as f64;
        let layers = text.num_hidden_layers as f64;
        // Sampling from merged weights takes a copy of those that have an adapter.
        let merged = config.lora.is_on() && config.lora.merge_rollouts;
        let copies = if merged { 2.0 } else { 1.0 };
        // A block's tape holds about twelve D-wide, six I-wide and four score tensors a token.
        let block = 12.0 * d + 6.0 * inner + 4.0 * scores;
        Ok(Self {
            parameters,
            trained,
            completions,
            updates: config.train.epochs * config.train.mini_batches,
            longest,
            state_bytes: F32 * (copies * parameters as f64 + 3.0 * trained as f64),
            cache_bytes: 2.0 * F32 * layers * kv * sequences * longest as f64,
            activation_bytes: F32 * tokens * (layers * d + block),
        })
    }

    /// Upper bound of what the run holds at a time: rollout and update take turns.
    pub fn peak_bytes(&self) -> f64 {
        self.state_bytes + self.cache_bytes.max(self.activation_bytes)
    }

    /// How much of the model is trained.
    fn trained_text(&self, config: &RunConfig) -> String {
        let share = 100.0 * self.trained as f64 / self.parameters.max(1) as f64;
        let how = match (config.lora.is_on(), config.model.freeze.is_empty()) {
            (true, _) => format!(", an adapter of rank {}", config.lora.rank),
            (false, false) => format!(", frozen: {}", config.model.freeze.join(", ")),
            (false, true) => String::new(),
        };
        let millions = self.trained as f64 / 1e6;
        format!("{millions:.2} M parameters ({share:.2} %){how}")
    }

    /// The plan for people.
    pub fn table(&self, config: &RunConfig) -> String {
        let gib = |bytes: f64| format!("{:.2} GiB", bytes / f64::from(1 << 30));
        let weights = match config.model.init {
            ModelInit::Pretrained => "loaded from",
            ModelInit::Random => "drawn for",
        };
        let rows = [
            (
                "model",
                format!(
                    "{:.2} M parameters, {weights} {}",
                    self.parameters as f64 / 1e6,
                    config.model.path
                ),
            ),
            ("trained", self.trained_text(config)),
            ("algorithm", config.algo.name.clone()),
            (
                "steps",
                format!(
                    "{} of {} completions and {} optimiser steps",
                    config.train.steps, self.completions, self.updates
                ),
            ),
            ("longest sequence", format!("{} tokens", self.longest)),
            ("weights, gradients, moments", gib(self.state_bytes)),
            ("key-value cache, at most", gib(self.cache_bytes)),
            ("activations, at most", gib(self.activation_bytes)),
            ("predicted peak, at most", gib(self.peak_bytes())),
        ];
        rows.iter()
            .map(|(name, value)| format!("{name:<28} {value}\n"))
            .collect()
    }
}

/// Reads the model configuration that a run names; the built-in one, and those of the models that
/// recipes name, are in this binary.
///
/// # Errors
/// A model that is not there and not known by name; a configuration that is malformed or not
/// supported.
pub fn model_config(config: &RunConfig) -> Result<ModelConfig> {
    let name = &config.model.path;
    let path = Path::new(name).join("config.json");
    if name == crate::setup::BUILTIN_MODEL {
        let asset = crate::demo::model::assets()
            .iter()
            .find(|(name, _)| *name == "config.json");
        let bytes = asset.map_or(&[][..], |(_, bytes)| bytes);
        return Ok(ModelConfig::from_slice(bytes, &path)?);
    }
    match (described_in(Path::new(name)), hub::known_architecture(name)) {
        (Ok(dir), _) => Ok(ModelConfig::from_dir(&dir)?),
        (Err(_), Some(known)) => Ok(ModelConfig::from_slice(known.as_bytes(), &path)?),
        (Err(error), None) => Err(error),
    }
}
