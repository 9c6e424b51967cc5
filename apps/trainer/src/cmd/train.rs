//! `trainer train`, and `trainer` alone.

use crate::{
    config::{self, Resolved},
    device,
    input_error::InputError,
    plan::{self, Plan},
    progress::Progress,
    setup,
};
use anyhow::{Context, Result};
use burn_rl::{
    eval::Evaluation,
    metrics::report::write_report,
    run_dir::{RunDir, write_atomic},
    trainer::{Outcome, Trainer},
};
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

/// Exit status of a run that was interrupted and saved.
const INTERRUPTED: u8 = 130;

/// Arguments of `trainer train`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// Configuration files, merged left to right; without any, the built-in demo.
    pub configs: Vec<PathBuf>,
    /// Overrides one value, as `optim.lr=1e-5`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Where the run goes [default: the first free one of runs/<name>, runs/<name>-2, …].
    #[arg(long)]
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
    /// Where to compute: flex (the CPU), or cuda:0 where compiled in.
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// Prints the resolved configuration and the plan, and exits.
    #[arg(long)]
    pub dry_run: bool,
}

/// Trains.
///
/// # Errors
/// Input that cannot be used, or a run that cannot go on.
pub fn run(args: &Args) -> Result<ExitCode> {
    // `Args::default()`, which stands for a bare `trainer`, has no device.
    let device = device::parse(if args.device.is_empty() { "flex" } else { &args.device })?;
    let mut resolved = resolve(args)?;
    if args.dry_run {
        let plan = Plan::new(&resolved.run, plan::model_config(&resolved.run)?);
        println!("{}", config::to_toml(&resolved));
        eprint!("{}", plan.table(&resolved.run));
        return Ok(ExitCode::SUCCESS);
    }
    let run = match &args.run_dir {
        Some(path) if args.resume => RunDir::open(path)?,
        Some(path) => RunDir::create(path)?,
        None => RunDir::fresh("runs", &resolved.run.name)?,
    };
    log_to(&run.log())?;
    setup::materialise(&mut resolved, &run)?;
    let text = format!("# {}\n{}", versions(), config::to_toml(&resolved));
    write_atomic(&run.config(), text.as_bytes())?;
    let root = run.root().to_owned();
    eprintln!("run directory {}", root.display());

    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signal(stop.clone())?;
    let (mut trainer, done) = setup::build(resolved.run, run, &device, args.resume, stop)?;
    if args.resume {
        eprintln!("continuing after step {done}");
    }
    let steps = trainer.config.train.steps;
    let mut progress = Progress::new(steps, done, &trainer.config.eval.name);
    let outcome = trainer.run(done, &mut progress);
    progress.finish();
    let report = write_report(&trainer.run);
    match outcome? {
        Outcome::Interrupted => {
            eprintln!(
                "interrupted; continue with: trainer train --run-dir {} --resume",
                root.display()
            );
            Ok(ExitCode::from(INTERRUPTED))
        }
        Outcome::Done => {
            summary(&trainer, &progress, &report?);
            Ok(ExitCode::SUCCESS)
        }
    }
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
        eprintln!("stopping at the next safe point; once more to stop at once");
    };
    match ctrlc::set_handler(handler) {
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn summary(trainer: &Trainer, progress: &Progress, report: &Path) {
    let set = &trainer.config.eval.name;
    let root = trainer.run.root();
    if let (Some(before), Some(after)) = (&progress.ends.before, &progress.ends.after) {
        let get = |found: &Evaluation, name: &str| {
            found.metrics.get(&format!("eval/{set}/{name}")).unwrap_or(f64::NAN)
        };
        let row = |name: &str, key: &str, factor: f64, unit: &str| {
            let (a, b) = (factor * get(before, key), factor * get(after, key));
            eprintln!("  {name:<22} {a:>6.1} → {b:>5.1} {unit}");
        };
        eprintln!("\nheld out ({} questions never trained on), before → after:", before.records.len());
        row("accuracy", "pass@1", 100.0, "%");
        row("response length", "tokens", 1.0, "tokens");
        eprintln!();
        for (a, b) in before.records.iter().zip(&after.records).take(3) {
            eprintln!("  {} (right: {})", a.prompt, a.answer);
            eprintln!("    before  {}", a.response);
            eprintln!("    after   {}", b.response);
        }
    }
    let checkpoint = trainer.run.latest_checkpoint();
    eprintln!("\nreport      {}", report.display());
    eprintln!("checkpoint  {}", checkpoint.display());
    if let Some(prompt) = trainer.held_out.first() {
        let image = prompt.images.first().map(|p| format!(" --image {}", p.display()));
        eprintln!(
            "ask it      trainer generate --model {}{} --prompt \"{}\" --greedy",
            checkpoint.display(),
            image.unwrap_or_default(),
            prompt.text
        );
    }
    tracing::info!("done: {}", root.display());
}
