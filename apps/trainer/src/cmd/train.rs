//! `trainer train`, and `trainer` alone.

use crate::{
    config::{self, Resolved},
    device, devices,
    input_error::InputError,
    model_dir::described_in,
    output::Output,
    paths,
    plan::{self, LOOKED_AT, Lengths, Plan, Target, free_memory, held_out},
    progress::Progress,
    setup,
};
use anyhow::{Context, Result};
use burn_rl::{
    config::RunConfig,
    dist::DeviceSpec,
    metrics::{
        report::write_report,
        rollout_log::{RolloutRecord, read_rollouts},
    },
    run_dir::{RunDir, write_atomic},
    trainer::{Outcome, Trainer},
};
use burn_vlm::ModelConfig;
use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// The demo: what runs when no configuration is given.
pub const DEMO: &str = include_str!("../../../../configs/demo.toml");

/// Held-out questions shown when a run is over.
const SAMPLES: usize = 3;

/// Exit status of a run that was interrupted and saved.
const INTERRUPTED: u8 = 130;

/// Arguments of `trainer train`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// Configuration files, merged left to right; without any, the built-in demo.
    #[arg(value_parser = paths::path())]
    pub configs: Vec<PathBuf>,
    /// Overrides one value, as `optim.lr=1e-5`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Where the run goes [default: the first free one of runs/<name>, runs/<name>-2, …].
    #[arg(long, value_parser = paths::path())]
    pub run_dir: Option<PathBuf>,
    /// Continues the run in --run-dir from its last checkpoint.
    #[arg(long, requires = "run_dir")]
    pub resume: bool,
    /// Number of steps.
    #[arg(long)]
    pub steps: Option<u64>,
    /// Seed of everything random.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Where to compute, as `trainer inspect --devices` lists it; several for a replica on each, as
    /// `cuda:0,1`.
    #[arg(long, default_value = device::DEFAULT)]
    pub device: String,
    /// Prints the resolved configuration and the plan, and exits. The device need not be there.
    #[arg(long)]
    pub dry_run: bool,
    /// Starts a run that is predicted not to fit into memory.
    #[arg(long)]
    pub ignore_memory: bool,
}

impl Args {
    /// `Args::default()`, which stands for a bare `trainer`, has no device.
    fn device_name(&self) -> &str {
        match self.device.as_str() {
            "" => device::DEFAULT,
            name => name,
        }
    }
}

/// Trains.
///
/// # Errors
/// Input that cannot be used, or a run that cannot go on.
pub fn run(args: &Args) -> Result<ExitCode> {
    let name = args.device_name();
    let mut resolved = resolve(args)?;
    check(&resolved)?;
    resolved.tell();
    if args.dry_run {
        let written = config::to_toml(&resolved);
        let target = Target::named(name)?;
        let model = plan::model_config(&resolved.run)?;
        let lengths = dry_lengths(&resolved, &model)?;
        let plan = Plan::new(&resolved.run, &model, lengths, target)?;
        let mut out = Output::stdout();
        out.line(written.trim_end())?;
        out.finish()?;
        say!("{}", plan.table(&resolved.run).trim_end());
        if target.devices > 1 && target.is_gpu {
            say!("on each of {} devices", target.devices);
        }
        tell_missing(&resolved.run);
        return Ok(ExitCode::SUCCESS);
    }
    let devices = devices::parse(name)?;
    if resolved.run.model.path != setup::BUILTIN_MODEL {
        described_in(Path::new(&resolved.run.model.path))?;
    }
    let run = match &args.run_dir {
        Some(path) if args.resume => RunDir::open(path)?,
        Some(path) => RunDir::create(path)?,
        None => RunDir::fresh("runs", &resolved.run.name)?,
    };
    let root = run.root().to_owned();
    let (mut trainer, done) = prepare(run, &mut resolved, &devices, args).inspect_err(|_| {
        if !args.resume {
            // Nothing is trained yet: what was just made must not stand in the way of a second
            // try. That the first one failed is what is reported, not whether this works.
            let _ = std::fs::remove_dir_all(&root);
        }
    })?;
    say!("run directory {}", root.display());
    if devices.len() > 1 {
        let names: Vec<&str> = devices.iter().map(|device| device.name.as_str()).collect();
        say!("{} replicas: {}", devices.len(), names.join(", "));
    }
    if args.resume {
        say!("continuing after step {done}");
    }
    let steps = trainer.config.train.steps;
    let mut progress = Progress::new(&root, steps, done, &trainer.config.eval.name);
    let outcome = trainer.run(done, &mut progress);
    progress.finish();
    let report = write_report(&trainer.run);
    match outcome? {
        Outcome::Interrupted => {
            say!(
                "interrupted; continue with: trainer train --run-dir {} --resume",
                root.display()
            );
            Ok(ExitCode::from(INTERRUPTED))
        }
        Outcome::Done => {
            summary(&trainer, &report?)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Fills a new run directory, or opens that of the run which is continued.
fn prepare(
    run: RunDir,
    resolved: &mut Resolved,
    devices: &[DeviceSpec],
    args: &Args,
) -> Result<(Trainer, u64)> {
    setup::last_checkpoint(&run, &resolved.run, args.resume)?;
    log_to(&run.log())?;
    setup::materialise(resolved, &run)?;
    let mut text = format!("# {}\n", versions());
    for note in &resolved.notes {
        tracing::info!("{note}");
        text.push_str(&format!("# {note}\n"));
    }
    text.push_str(&config::to_toml(resolved));
    let written = run.config();
    if !args.resume {
        write_atomic(&written, text.as_bytes())?;
    }
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signal(stop.clone())?;
    if !args.ignore_memory {
        check_free_memory(&resolved.run, args.device_name())?;
    }
    let built = setup::build(resolved.run.clone(), run, devices, args.resume, stop)?;
    if args.resume {
        // Not before what it says is known to work: the run could not be continued any more.
        write_atomic(&written, text.as_bytes())?;
    }
    Ok(built)
}

/// The lengths of a run's prompts, as far as its data are here; the demo's first rows are written
/// for it.
fn dry_lengths(resolved: &Resolved, model: &ModelConfig) -> Result<Lengths> {
    let limits = || Lengths::limits(&resolved.run, model);
    let scratch = std::env::temp_dir().join(format!("trainer-plan-{}", std::process::id()));
    let run = RunDir::create(&scratch)?;
    let mut first = resolved.clone();
    first.demo = resolved.demo.as_ref().map(|demo| demo.first(LOOKED_AT));
    let found = setup::materialise(&mut first, &run)
        .map(|()| Lengths::look(&first.run, model).unwrap_or_else(limits));
    std::fs::remove_dir_all(&scratch).with_context(|| scratch.display().to_string())?;
    let mut found = found?;
    if let Some(demo) = resolved.demo.as_ref().filter(|demo| demo.eval > 0) {
        found.held_out = held_out(&resolved.run, demo.eval);
    }
    Ok(found)
}

/// Refuses a run that will not fit, as far as the free memory of its device is known.
fn check_free_memory(config: &RunConfig, name: &str) -> Result<()> {
    let Some(free_memory) = free_memory::free_bytes(name) else {
        return Ok(());
    };
    let model = plan::model_config(config)?;
    let Some(lengths) = Lengths::look(config, &model) else {
        return Ok(());
    };
    let target = Target::named(name)?;
    let plan = |config: &RunConfig| Plan::new(config, &model, lengths, target);
    tracing::info!("{}", plan(config)?.table(config));
    Ok(free_memory::check(config, free_memory, |config| {
        plan(config).ok()
    })?)
}

/// The configuration of a new run, or that of the run which is continued.
fn resolve(args: &Args) -> Result<Resolved> {
    let mut sets = args.sets.clone();
    sets.extend(args.steps.map(|steps| format!("train.steps={steps}")));
    sets.extend(args.seed.map(|seed| format!("seed={seed}")));
    let mut files = args.configs.clone();
    if let (true, Some(dir)) = (args.resume, &args.run_dir) {
        if !files.is_empty() {
            let message = "--resume takes its configuration from the run directory: \
                           change single values with --set";
            return Err(InputError::new(message).into());
        }
        files.push(RunDir::read(dir)?.config());
    }
    let base = files.is_empty().then_some(DEMO);
    let mut resolved = config::resolve(base, &files, &sets)?;
    if resolved.run.name.is_empty() {
        let stem = files.last().and_then(|f| f.file_stem());
        resolved.run.name = stem.map_or("run".into(), |s| s.to_string_lossy().into_owned());
    }
    Ok(resolved)
}

/// What a run of this configuration still lacks, for a plan.
fn tell_missing(run: &RunConfig) {
    let model = Path::new(&run.model.path);
    if run.model.path != setup::BUILTIN_MODEL && described_in(model).is_err() {
        let model = model.display();
        say!("not here yet: model {model}, planned by its published configuration");
    }
    let sets = run.data.sets();
    let paths = sets.iter().map(|set| &set.path).chain([&run.eval.data]);
    for path in paths.filter(|path| !path.is_empty() && !Path::new(path).exists()) {
        say!("not here yet: {path}");
    }
}

/// Refuses what makes no sense, before anything is written.
fn check(resolved: &Resolved) -> Result<()> {
    let mut run = resolved.run.clone();
    if resolved
        .demo
        .as_ref()
        .is_some_and(|demo| demo.train > 0 || !demo.sft.is_empty())
    {
        // Written when the run starts.
        run.data.train = "the demo's".into();
    }
    run.check()?;
    Ok(())
}

fn versions() -> String {
    format!("trainer {}, burn 0.22.1", env!("CARGO_PKG_VERSION"))
}

/// Sends log lines to the run's `log.txt`.
fn log_to(path: &Path) -> Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    let file = file.with_context(|| path.display().to_string())?;
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_target(false)
        .with_writer(std::sync::Mutex::new(file))
        .finish();
    // A program that embeds this crate may have a subscriber of its own, which then stays.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(())
}

/// The first signal asks the run to stop and save; the second ends it at once.
fn stop_on_signal(stop: Arc<AtomicBool>) -> Result<()> {
    let handler = move || {
        if stop.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        say!("stopping at the next safe point; once more to stop at once");
    };
    match ctrlc::set_handler(handler) {
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What the run did, from its own files: a resumed run tells the whole story too.
fn summary(trainer: &Trainer, report: &Path) -> Result<()> {
    let (run, set) = (&trainer.run, &trainer.config.eval.name);
    let read = |step| {
        let path = run.eval(set, step);
        if path.exists() {
            Ok(read_rollouts(&path)?)
        } else {
            Ok::<_, anyhow::Error>(vec![])
        }
    };
    let (before, after) = (read(0)?, read(trainer.config.train.steps)?);
    if !before.is_empty() && !after.is_empty() {
        let accuracy = |r: &RolloutRecord| f64::from(u8::from(r.correct == Some(true)));
        let mean = |records: &[RolloutRecord], f: &dyn Fn(&RolloutRecord) -> f64| {
            records.iter().map(f).sum::<f64>() / records.len() as f64
        };
        let row = |name: &str, unit: &str, f: &dyn Fn(&RolloutRecord) -> f64| {
            let (a, b) = (mean(&before, f), mean(&after, f));
            say!("  {name:<18}{a:>6.1} → {b:.1} {unit}");
        };
        say!(
            "\n{} held-out questions, before → after training:",
            before.len()
        );
        row("accuracy", "%", &|r| 100.0 * accuracy(r));
        row("response length", "tokens", &|r| r.tokens as f64);
        for (a, b) in before.iter().zip(&after).take(SAMPLES) {
            say!("\n  {} (right: {})", a.prompt, a.answer);
            say!("    before  {}", a.response);
            say!("    after   {}", b.response);
        }
    }
    let checkpoint = run.latest_checkpoint();
    say!("\nreport      {}", report.display());
    say!("checkpoint  {}", checkpoint.display());
    if let Some(prompt) = trainer.held_out.first() {
        let image = prompt
            .images
            .first()
            .map(|p| format!(" --image {}", p.display()));
        say!(
            "ask it      trainer generate --model {}{} --prompt \"{}\" --greedy",
            checkpoint.display(),
            image.unwrap_or_default(),
            prompt.text
        );
    }
    Ok(())
}
