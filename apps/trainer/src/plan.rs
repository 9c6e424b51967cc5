//! What a run will take, before it takes it.

use crate::{hub, model_dir::require_config};
use burn_rl::config::{ModelInit, RunConfig};
use burn_vlm::{ModelConfig, Vlm, weights::shapes};
use std::path::Path;

/// Bytes of an f32.
const F32: f64 = 4.0;

/// Sizes of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Trainable parameters.
    pub parameters: usize,
    /// Completions a step.
    pub completions: usize,
    /// Optimiser steps a step.
    pub updates: usize,
    /// Longest sequence: the longest prompt allowed and the longest response.
    pub longest: usize,
    /// Weights, gradients and two moments.
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
    /// A model configuration that is missing or not supported.
    pub fn new(config: &RunConfig, model_config: ModelConfig) -> Self {
        let text = model_config.text.clone();
        let skeleton = Vlm::new(model_config, &burn::tensor::Device::default());
        let parameters: usize = shapes(&skeleton).iter().map(|p| p.len()).sum();
        let longest = config.data.max_prompt_tokens + config.rollout.sampling.max_new_tokens;
        let rollout = &config.rollout;
        let completions = rollout.prompts_per_step * rollout.samples_per_prompt;
        let kv = (text.num_key_value_heads * text.head_dim) as f64;
        let sequences = rollout.max_batch.min(completions) as f64;
        let tokens = (config.train.micro_batch.min(completions) * longest) as f64;
        let (d, inner) = (text.hidden_size as f64, text.intermediate_size as f64);
        let scores = (text.num_attention_heads * longest) as f64;
        let layers = text.num_hidden_layers as f64;
        // A block's tape holds about twelve D-wide, six I-wide and four score tensors a token.
        let block = 12.0 * d + 6.0 * inner + 4.0 * scores;
        Self {
            parameters,
            completions,
            updates: config.train.epochs * config.train.mini_batches,
            longest,
            state_bytes: 4.0 * F32 * parameters as f64,
            cache_bytes: 2.0 * F32 * layers * kv * sequences * longest as f64,
            activation_bytes: F32 * tokens * (layers * d + block),
        }
    }

    /// Upper bound of what the run holds at a time: rollout and update take turns.
    pub fn peak_bytes(&self) -> f64 {
        self.state_bytes + self.cache_bytes.max(self.activation_bytes)
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
pub fn model_config(config: &RunConfig) -> anyhow::Result<ModelConfig> {
    let name = &config.model.path;
    let path = Path::new(name).join("config.json");
    if name == crate::setup::BUILTIN_MODEL {
        let asset = crate::demo::model::assets()
            .iter()
            .find(|(name, _)| *name == "config.json");
        let bytes = asset.map_or(&[][..], |(_, bytes)| bytes);
        return Ok(ModelConfig::from_slice(bytes, &path)?);
    }
    match (
        require_config(Path::new(name)),
        hub::known_architecture(name),
    ) {
        (Ok(dir), _) => Ok(ModelConfig::from_dir(&dir)?),
        (Err(_), Some(known)) => Ok(ModelConfig::from_slice(known.as_bytes(), &path)?),
        (Err(error), None) => Err(error.into()),
    }
}
