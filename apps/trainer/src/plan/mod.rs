//! What a run will take, before it takes it.

pub mod free_memory;
mod host_memory;
mod lengths;
mod memory;
mod preview;
mod target;

pub use lengths::{LOOKED_AT, Lengths, held_out};
pub use memory::Memory;
pub use preview::{Preview, preview};
pub use target::Target;

use crate::{hub, model_dir::described_in};
use anyhow::Result;
use burn_rl::{
    algo::Registry,
    config::{ModelInit, RunConfig},
    error::RlError,
    trainable::{ParameterCounts, count_parameters},
};
use burn_vlm::{Families, ModelConfig, Vlm, lora};
use std::path::Path;

/// Sizes of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Parameters.
    pub counts: ParameterCounts,
    /// Completions a step.
    pub completions: usize,
    /// Optimiser steps a step.
    pub updates: usize,
    /// Longest sequence: the longest prompt and the longest response.
    pub longest: usize,
    /// Prompts.
    pub lengths: Lengths,
    /// What it holds.
    pub memory: Memory,
}

impl Plan {
    /// Plans a run of `config` on the model it names, reading no weights.
    ///
    /// # Errors
    /// Names of layers or frozen parts that the model has not; an algorithm that is not known.
    pub fn new(
        config: &RunConfig,
        model: &ModelConfig,
        lengths: Lengths,
        target: Target,
        algorithms: &Registry,
    ) -> Result<Self, RlError> {
        let mut model = model.clone();
        model.compute = target.compute(config.model.dtype);
        let mut skeleton = Vlm::new(model.clone(), &crate::device::host());
        let dir = hub::locate(Path::new(&config.model.path));
        if lora::is_adapter(&dir) {
            skeleton = skeleton.with_adapter(&dir)?;
        }
        let counts = count_parameters(skeleton, &config.lora, &config.model.freeze, config.seed)?;
        let recipe = config.algo.recipe(algorithms)?;
        let rollout = &config.rollout;
        Ok(Self {
            counts,
            completions: rollout.prompts_per_step * rollout.samples_per_prompt,
            updates: config.train.epochs * config.train.mini_batches,
            longest: lengths.prompt + rollout.sampling.max_new_tokens,
            lengths,
            memory: Memory::of(config, &recipe, &model, &counts, &lengths, target),
        })
    }

    /// How much of the model is trained.
    fn trained_text(&self, config: &RunConfig) -> String {
        let (trained, total) = (self.counts.trained.all, self.counts.total);
        let share = 100.0 * trained as f64 / total.max(1) as f64;
        let how = match (config.lora.is_on(), config.model.freeze.is_empty()) {
            (true, _) => format!(", an adapter of rank {}", config.lora.rank),
            (false, false) => format!(", frozen: {}", config.model.freeze.join(", ")),
            (false, true) => String::new(),
        };
        let millions = trained as f64 / 1e6;
        format!("{millions:.2} M parameters ({share:.2} %){how}")
    }

    /// The longest sequence, and where its length is from.
    fn longest_text(&self) -> String {
        let Lengths {
            prompt,
            segments,
            patches,
            seen,
            ..
        } = self.lengths;
        let from = match seen {
            Some(n) => format!("longest of the first {n} prompts"),
            None => "data.max_prompt_tokens".into(),
        };
        let pictures = match segments {
            0 => String::new(),
            n => format!("; {n} pictures or tiles of {patches} patches"),
        };
        let response = self.longest - prompt;
        format!(
            "{} tokens: {prompt} ({from}) + {response}{pictures}",
            self.longest
        )
    }

    /// The plan for people.
    pub fn table(&self, config: &RunConfig) -> String {
        let gib = |bytes: f64| format!("{:.2} GiB", bytes / f64::from(1 << 30));
        let memory = &self.memory;
        let weights = match config.model.init {
            ModelInit::Pretrained => "loaded from",
            ModelInit::Random => "drawn for",
        };
        let rows = [
            (
                "model",
                format!(
                    "{:.2} M parameters, {weights} {}",
                    self.counts.total as f64 / 1e6,
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
            ("longest sequence", self.longest_text()),
            ("weights", gib(memory.weights)),
            ("moments", gib(memory.moments)),
            ("pictures", gib(memory.pictures)),
            ("while sampling, besides", gib(memory.rollout)),
            ("while scoring, besides", gib(memory.score)),
            ("while updating, besides", gib(memory.update)),
            (
                match memory.replicas {
                    1 => "predicted peak memory",
                    _ => "predicted peak, all replicas",
                },
                gib(memory.peak()),
            ),
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
pub fn model_config(config: &RunConfig, families: &Families) -> Result<ModelConfig> {
    let name = &config.model.path;
    let path = Path::new(name).join("config.json");
    if name == crate::demo::BUILTIN_MODEL {
        let asset = crate::demo::model::assets()
            .iter()
            .find(|(name, _)| *name == "config.json");
        let bytes = asset.map_or(&[][..], |(_, bytes)| bytes);
        return Ok(families.read_slice(bytes, &path)?);
    }
    match (described_in(Path::new(name)), hub::known_architecture(name)) {
        (Ok(dir), _) => Ok(families.read_dir(&dir)?),
        (Err(_), Some(known)) => Ok(families.read_slice(known.to_string().as_bytes(), &path)?),
        (Err(error), None) => Err(error),
    }
}
