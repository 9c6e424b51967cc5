//! `trainer bench`

mod flops;
mod synthetic;

use crate::{
    Extensions,
    config::{self, Resolved},
    demo::{BUILTIN_MODEL, materialise},
    device, hub,
    input_error::InputError,
    model_dir::described_in,
    output::Output,
    paths,
    plan::{self, Lengths, Plan, Target, free_memory},
    processor_args::parse_init,
};
use anyhow::{Context, Result};
use burn::tensor::Device;
use burn_rl::{
    config::{ModelInit, RunConfig},
    learner::{Learner, PolicyGradient, TrainBatch},
    recipe::{CompletionSource, Recipe},
    run_dir::RunDir,
    trainable::make_trainable,
};
use burn_vlm::{
    Families, LoadOptions, ModelConfig, Vlm,
    device::memory_bytes,
    generate::{Completion, Generator, Request, Sampling},
};
use flops::Work;
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};
use synthetic::Synthetic;

/// Arguments of `trainer bench`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Configuration files, merged left to right; without any, the built-in demo.
    #[arg(value_parser = paths::path())]
    pub configs: Vec<PathBuf>,
    /// Overrides one value, as `rollout.samples_per_prompt=16`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// `random` draws the weights: config.json, or the name of a model that a recipe
    /// names, is then all that is needed.
    #[arg(long, value_name = "random|pretrained", value_parser = parse_init)]
    pub init: Option<ModelInit>,
    /// Where to compute; `trainer inspect --devices` lists what there is.
    #[arg(long, default_value = device::DEFAULT)]
    pub device: String,
    /// Tokens of every prompt, pictures included.
    #[arg(long, default_value_t = 512, value_name = "N")]
    pub prompt_tokens: usize,
    /// Tokens of the picture that every prompt shows; 0 for none, which text-only models always
    /// get. Where pictures are cut into tiles, these are rounded to whole ones.
    #[arg(long, default_value_t = 256, value_name = "N")]
    pub picture_tokens: usize,
    /// Times that every phase is measured, after once for warming up; the median counts.
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub rounds: usize,
    /// What the device can do at most, in TFLOP/s at the precision of the run; with it the share
    /// that was used (MFU) is printed.
    #[arg(long, value_name = "N")]
    pub peak_tflops: Option<f64>,
    /// Prints one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Starts even if it is predicted not to fit into memory.
    #[arg(long)]
    pub ignore_memory: bool,
}

/// One phase as it was measured.
#[derive(Debug, Serialize)]
struct Measured {
    phase: &'static str,
    tokens: usize,
    seconds: f64,
    tokens_per_s: f64,
    /// Of the model itself: what is computed a second time for the backward pass is not counted.
    tflops: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    mfu: Option<f64>,
    /// Most bytes held so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<f64>,
}

/// Times the phases of a step on made-up prompts.
///
/// # Errors
/// Input that cannot be used.
pub fn run(args: &Args, extensions: &Extensions) -> Result<()> {
    let device = device::parse(&args.device)?;
    let mut resolved = resolve(args, extensions)?;
    let sizes = plan::model_config(&resolved.run, &extensions.families)?;
    let synthetic = Synthetic::new(&sizes, args.prompt_tokens, args.picture_tokens)?;
    let config = &resolved.run;
    let (segments, patches) = synthetic.segments();
    let lengths = Lengths {
        prompt: synthetic.prompt_tokens(),
        segments,
        patches,
        held_out: 0,
        seen: None,
    };
    let target = Target::named(&args.device)?;
    let planned = |config: &RunConfig| {
        let algorithms = &extensions.algorithms;
        Plan::new(config, &sizes, lengths, target, algorithms)
    };
    let plan = planned(config)?;
    let predicted = plan.memory.peak();
    if let (false, Some(free_memory)) = (args.ignore_memory, free_memory::free_bytes(&args.device))
    {
        free_memory::check(config, free_memory, |config| planned(config).ok())?;
    }
    let loading = Instant::now();
    let model = model(&mut resolved, sizes, &device, &extensions.families)?;
    let config = &resolved.run;
    let loaded = loading.elapsed().as_secs_f64();
    let work = Work::of(&model, &plan.counts);
    let mut bench = {
        let recipe = Arc::new(config.algo.recipe(&extensions.algorithms)?);
        Bench::new(config, recipe, model, synthetic, work)
    };
    let mut rounds: Vec<Vec<f64>> = vec![];
    for round in 0..=args.rounds.max(1) {
        let seconds = bench.round(round as u64)?;
        if round > 0 {
            rounds.push(seconds.to_vec());
        }
        tell(round, args.rounds.max(1));
    }
    let phases = bench.measured(&rounds, args.peak_tflops);
    let mut out = Output::stdout();
    if args.json {
        out.json(&serde_json::json!({
            "model": config.model.path,
            "device": args.device,
            "parameters": plan.counts.total,
            "trained": plan.counts.trained.all,
            "prompts": config.rollout.prompts_per_step,
            "samples_per_prompt": config.rollout.samples_per_prompt,
            "prompt_tokens": lengths.prompt,
            "response_tokens": config.rollout.sampling.max_new_tokens,
            "load_s": loaded,
            "predicted_bytes": predicted,
            "phases": phases,
        }))?;
        return out.finish();
    }
    let millions = |n: usize| n as f64 / 1e6;
    out.line(format_args!(
        "{} on {}: {:.1} M parameters, {:.1} M trained, ready after {loaded:.1} s",
        config.model.path,
        args.device,
        millions(plan.counts.total),
        millions(plan.counts.trained.all),
    ))?;
    out.line(format_args!(
        "{} prompts of {} tokens, {} responses each of {} tokens; median of {} rounds",
        config.rollout.prompts_per_step,
        lengths.prompt,
        config.rollout.samples_per_prompt,
        config.rollout.sampling.max_new_tokens,
        rounds.len()
    ))?;
    out.line(format_args!(
        "{:<10}{:>12}{:>12}{:>14}{:>12}{:>8}{:>14}",
        "phase", "tokens", "seconds", "tokens/s", "TFLOP/s", "MFU", "memory, GiB"
    ))?;
    for p in &phases {
        let mfu = p
            .mfu
            .map_or("-".into(), |mfu| format!("{:.1} %", 100.0 * mfu));
        let memory = p.memory_bytes.map_or("-".into(), gib);
        out.line(format_args!(
            "{:<10}{:>12}{:>12.3}{:>14.0}{:>12.3}{mfu:>8}{memory:>14}",
            p.phase, p.tokens, p.seconds, p.tokens_per_s, p.tflops
        ))?;
    }
    out.line(format_args!("predicted peak memory {} GiB", gib(predicted)))?;
    out.finish()
}

fn gib(bytes: f64) -> String {
    format!("{:.2}", bytes / f64::from(1 << 30))
}

fn tell(round: usize, of: usize) {
    match round {
        0 => say!("warmed up"),
        n => say!("round {n} of {of}"),
    }
}

fn resolve(args: &Args, extensions: &Extensions) -> Result<Resolved> {
    let base = args.configs.is_empty().then_some(config::DEMO);
    let mut resolved = config::resolve(base, &args.configs, &args.sets, extensions)?;
    if let Some(init) = args.init {
        resolved.run.model.init = init;
    }
    let recipe = resolved.run.algo.recipe(&extensions.algorithms)?;
    if recipe.source() == CompletionSource::Data || recipe.critic().is_some() {
        let name = &resolved.run.algo.name;
        return Err(InputError::new(format!(
            "algo.name is {name}, expected an algorithm that samples and has no critic: what is \
             timed is the policy (--set algo.name=grpo)"
        ))
        .into());
    }
    Ok(resolved)
}

/// The model, as the configuration trains it.
fn model(
    resolved: &mut Resolved,
    sizes: ModelConfig,
    device: &Device,
    families: &Families,
) -> Result<Vlm> {
    let config = &mut resolved.run;
    let compute = config.model.dtype.on(device);
    let whole = match config.model.init {
        ModelInit::Random => Vlm::random(sizes.computing_in(compute), config.seed, device),
        ModelInit::Pretrained if config.model.path == BUILTIN_MODEL => {
            let scratch =
                std::env::temp_dir().join(format!("trainer-bench-{}", std::process::id()));
            let run = RunDir::create(&scratch)?;
            let path = config.model.path.clone();
            let loaded = materialise(resolved, &run).and_then(|()| {
                let dir = Path::new(&resolved.run.model.path);
                Ok(Vlm::load(dir, &LoadOptions::computing_in(compute), device)?)
            });
            std::fs::remove_dir_all(&scratch).with_context(|| scratch.display().to_string())?;
            resolved.run.model.path = path;
            loaded?
        }
        ModelInit::Pretrained => {
            let dir = hub::locate(Path::new(&config.model.path));
            described_in(&dir)?;
            let options = LoadOptions::computing_in(compute).among(families);
            Vlm::load(&dir, &options.allowing(&config.model.allow_tensors), device)?
        }
    };
    let config = &resolved.run;
    let (lora, freeze) = (&config.lora, &config.model.freeze);
    Ok(make_trainable(whole, lora, freeze, config.seed)?)
}

/// A policy and the prompts it is timed on.
struct Bench<'a> {
    config: &'a RunConfig,
    recipe: Arc<Recipe>,
    learner: PolicyGradient,
    synthetic: Synthetic,
    work: Work,
    memory: [Option<f64>; 4],
}

impl<'a> Bench<'a> {
    fn new(
        config: &'a RunConfig,
        recipe: Arc<Recipe>,
        model: Vlm,
        synthetic: Synthetic,
        work: Work,
    ) -> Self {
        let learner = PolicyGradient::new(
            model,
            recipe.clone(),
            config.train.clone(),
            config.optim.clone(),
            config.seed,
        );
        Self {
            recipe,
            config,
            learner,
            synthetic,
            work,
            memory: [None; 4],
        }
    }

    /// One step, in seconds: prefill, decode, score, update.
    fn round(&mut self, round: u64) -> Result<[f64; 4]> {
        let rollout = &self.config.rollout;
        let device = self.learner.model().device();
        let requests = self.synthetic.requests(
            rollout.prompts_per_step,
            rollout.samples_per_prompt,
            self.config.seed,
            round,
        );
        let policy = self.learner.model().for_sampling();
        let (prefill, _) = self.sample(&policy, &requests, 1)?;
        self.memory[0] = memory_bytes(&device);
        let (whole, drawn) = self.sample(&policy, &requests, rollout.sampling.max_new_tokens)?;
        self.memory[1] = memory_bytes(&device);
        drop(policy);
        device.memory_cleanup();

        let mut batch = synthetic::batch(&requests, &drawn, rollout.samples_per_prompt);
        // Scored whether or not the algorithm asks for it, then what else it asks for.
        let mut scored = Ok(());
        let score = timed(&device, || {
            scored = self.learner.fill_old_logprobs(&mut batch)
        });
        scored?;
        self.learner.score(&mut batch)?;
        self.memory[2] = memory_bytes(&device);
        batch.advantages = self.recipe.advantages(&batch.scored)?;
        let mut outcome = Ok(());
        let update = timed(&device, || outcome = self.update(&batch, round + 1));
        outcome?;
        self.memory[3] = memory_bytes(&device);
        Ok([
            prefill,
            (whole - prefill).max(f64::MIN_POSITIVE),
            score,
            update,
        ])
    }

    fn update(&mut self, batch: &TrainBatch, step: u64) -> Result<()> {
        self.learner.update(batch, step)?;
        Ok(())
    }

    /// Draws `tokens` tokens of every completion; none of them ends early.
    fn sample(
        &self,
        policy: &Vlm,
        requests: &[Request],
        tokens: usize,
    ) -> Result<(f64, Vec<Completion>)> {
        let generator = Generator {
            model: policy,
            sampling: Sampling {
                max_new_tokens: tokens,
                ..self.config.rollout.sampling
            },
            stop: &[],
            limits: self.config.rollout.limits(),
            logprob_temperature: 1.0,
        };
        let mut found = Ok(vec![]);
        let seconds = timed(&policy.device(), || {
            found = generator.generate(requests, &mut |_| {});
        });
        Ok((seconds, found?))
    }

    fn measured(&self, rounds: &[Vec<f64>], peak: Option<f64>) -> Vec<Measured> {
        let rollout = &self.config.rollout;
        let completions = rollout.prompts_per_step * rollout.samples_per_prompt;
        let new = rollout.sampling.max_new_tokens;
        let prompt = self.synthetic.prompt_tokens();
        let patches = self.synthetic.patches();
        let sequences = completions * (prompt + new);
        let decode = completions * (new - 1).max(1);
        let forward = self.work.forward(prompt + new, new, patches) * completions as f64;
        let rows = [
            (
                "prefill",
                rollout.prompts_per_step * prompt,
                self.work.forward(prompt, 1, patches) * rollout.prompts_per_step as f64,
            ),
            (
                "decode",
                decode,
                self.work.decode(prompt, new) * completions as f64,
            ),
            ("score", sequences, forward),
            (
                "update",
                sequences * self.config.train.epochs,
                forward * self.work.passes * self.config.train.epochs as f64,
            ),
        ];
        rows.into_iter()
            .enumerate()
            .map(|(i, (phase, tokens, flops))| {
                let seconds = median(rounds.iter().map(|round| round[i]));
                let tflops = flops / seconds / 1e12;
                Measured {
                    phase,
                    tokens,
                    seconds,
                    tokens_per_s: tokens as f64 / seconds,
                    tflops,
                    mfu: peak.map(|peak| tflops / peak),
                    memory_bytes: self.memory[i],
                }
            })
            .collect()
    }
}

/// Seconds until everything that `f` started on the device is done.
fn timed(device: &Device, f: impl FnOnce()) -> f64 {
    let start = Instant::now();
    f();
    // What failed shows where its result is read.
    let _ = device.sync();
    start.elapsed().as_secs_f64()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
