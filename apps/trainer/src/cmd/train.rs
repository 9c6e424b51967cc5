//! `trainer train`, and `trainer` alone.

mod summary;

use crate::{
    Extensions, command_line,
    config::{self, Resolved, for_run},
    demo::{BUILTIN_MODEL, materialise},
    device, devices,
    input_error::InputError,
    logging::log_to,
    model_dir::described_in,
    output::Output,
    paths,
    plan::{self, Lengths, Plan, Target, free_memory, preview},
    progress::Progress,
    report,
    setup::{self, Start},
    signals::{INTERRUPTED, parse_time, stop_on_signal},
    versions::versions,
};
use anyhow::Result;
use burn_rl::{
    RlError, StopFlag,
    checkpoint::{self, Found},
    config::RunConfig,
    dist::DeviceSpec,
    rollout::OtherRows,
    run_dir::RunDir,
    trainer::{RunEnd, Skipped, Trainer},
};
use run_log::{files::write_atomic, settings, superseded::keep_after};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

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
    /// With --resume: goes on although the data have changed since the run was saved, so that its
    /// place in them means other rows.
    #[arg(long, requires = "resume")]
    pub accept_changed_data: bool,
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
    /// How long an update may go on after a signal, as 30s or 2m: one that takes longer is dropped,
    /// and the run is saved as it was before it. By default it is finished. While updates run, the
    /// weights and the optimiser's state are held twice.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub stop_within: Option<Duration>,
    /// Does not look at the rows of data before the first step, as data.check = "none".
    #[arg(long)]
    pub no_check: bool,
    /// Starts a run that is predicted not to fit into memory.
    #[arg(long)]
    pub ignore_memory: bool,
}

impl Args {
    fn start(&self, run: RunDir, found: Option<Found>) -> Start {
        match (self.resume, self.accept_changed_data) {
            (false, _) => Start::New(run),
            (true, false) => Start::Continued(run, found, OtherRows::Refuse),
            (true, true) => Start::Continued(run, found, OtherRows::LeaveOut),
        }
    }

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
pub fn run(args: &Args, extensions: &Extensions) -> Result<ExitCode> {
    let name = args.device_name();
    let mut resolved = resolve(args, extensions)?;
    config::check(&resolved, extensions)?;
    resolved.tell();
    if args.dry_run {
        let preview = preview(&resolved, name, extensions)?;
        let mut out = Output::stdout();
        out.line(config::to_toml(&resolved).trim_end())?;
        out.finish()?;
        say!("{}", preview.table);
        preview.tell_missing();
        return Ok(ExitCode::SUCCESS);
    }
    let stop = args.stop_within;
    let stop = stop.map_or_else(StopFlag::new, StopFlag::patient_for);
    stop_on_signal(&stop)?;
    let devices = devices::parse(name)?;
    if resolved.run.model.path != BUILTIN_MODEL {
        described_in(Path::new(&resolved.run.model.path))?;
    }
    let run = match &args.run_dir {
        Some(path) if args.resume => RunDir::open(path)?,
        Some(path) => RunDir::create(path)?,
        None => RunDir::fresh("runs", file_name(&resolved.run.name)?)?,
    };
    let root = run.root().to_owned();
    let prepared = prepare(run, &mut resolved, &devices, args, extensions, stop);
    let prepared = prepared.map_err(|error| config::placed(error, &resolved.places));
    let prepared = prepared.inspect_err(|_| {
        if !args.resume {
            // Nothing is trained yet: what was just made must not stand in the way of a second try.
            // That the first one failed is what is reported, not whether this works.
            let _ = std::fs::remove_dir_all(&root);
        }
    });
    let mut trainer = match prepared {
        Err(error) if error.downcast_ref().is_some_and(RlError::is_stopped) => {
            say!("stopped before the run began");
            return Ok(ExitCode::from(INTERRUPTED));
        }
        prepared => prepared?,
    };
    say!("run directory {}", root.display());
    if devices.len() > 1 {
        let names: Vec<&str> = devices.iter().map(|device| device.name.as_str()).collect();
        say!("{} replicas: {}", devices.len(), names.join(", "));
    }
    let steps = resolved.run.train.steps;
    if args.resume && trainer.has_nothing_to_do() {
        say!(
            "nothing to do: {} steps are done, and train.steps is {steps}; for more, --steps N",
            trainer.done()
        );
    } else if args.resume {
        say!("continuing after step {}", trainer.done());
    }
    report_skipped(&trainer);
    let mut progress = Progress::new(&root, steps, trainer.done(), &resolved.run.eval.name);
    let outcome = trainer.run(&mut progress);
    progress.finish();
    let report = RunDir::read(&root).and_then(|run| report::write(&run));
    match outcome?.end {
        RunEnd::Interrupted => {
            let words = ["train", "--run-dir"].map(AsRef::as_ref);
            let words = words
                .into_iter()
                .chain([root.as_os_str(), "--resume".as_ref()]);
            say!("interrupted; continue with: {}", command_line::own(words));
            Ok(ExitCode::from(INTERRUPTED))
        }
        RunEnd::Done => {
            summary::tell(&trainer, &resolved.run, &report?)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The name of a run as that of its directory.
fn file_name(name: &str) -> Result<&str, InputError> {
    match name.contains(['/', '\\']) || [".", ".."].contains(&name) {
        false => Ok(name),
        true => Err(InputError::new(format!(
            "name is {name:?}, expected one without a slash, because the run goes to runs/<name>; \
             --run-dir takes any directory"
        ))),
    }
}

/// Fills a new run directory, or opens that of the run which is continued.
fn prepare(
    run: RunDir,
    resolved: &mut Resolved,
    devices: &[DeviceSpec],
    args: &Args,
    extensions: &Extensions,
    stop: StopFlag,
) -> Result<Trainer> {
    let found = match args.resume {
        true => checkpoint::last(&run, resolved.run.seed)?,
        false => None,
    };
    log_to(&run.log())?;
    materialise(resolved, &run)?;
    let mut text = format!("# {}\n", versions());
    for note in &resolved.notes {
        tracing::info!("{note}");
        text.push_str(&format!("# {note}\n"));
    }
    text.push_str(&config::to_toml(&Resolved {
        run: paths::portable(&resolved.run, run.root()),
        ..resolved.clone()
    }));
    let written = run.config();
    if !args.resume {
        write_atomic(&written, text.as_bytes())?;
    }
    if stop.is_requested() {
        return Err(RlError::Stopped.into());
    }
    if !args.ignore_memory {
        check_free_memory(&resolved.run, args.device_name(), extensions)?;
    }
    let config = &resolved.run;
    let before = match args.resume {
        true => Some(for_run(&[run.config()], &[], extensions)?.run),
        false => None,
    };
    let kept = match before
        .as_ref()
        .is_some_and(|before| are_others(before, config))
    {
        true => keep_after(&run, found.as_ref().map_or(0, |found| found.state.step))?,
        false => None,
    };
    let files = RunDir::read(run.root())?;
    let built = setup::build(config, args.start(run, found), devices, stop, extensions);
    let built = built.inspect_err(|_| {
        // Nothing was replaced, so that nothing has to be kept; the error is what is reported.
        let _ = kept.as_ref().map(std::fs::remove_dir_all);
    })?;
    if let Some(dir) = kept {
        let done = built.done();
        say!(
            "the steps after {done}, made with other settings, are kept in {}",
            dir.display()
        );
    }
    if let Some(before) = before
        && built.done() <= config.train.steps
    {
        // Not before what it says is known to work: the run could not be continued any more.
        settings::keep_until(&files, built.done(), before != *config)?;
        write_atomic(&written, text.as_bytes())?;
    }
    Ok(built)
}

/// Whether settings are others than they were, the run's length aside.
fn are_others(before: &RunConfig, now: &RunConfig) -> bool {
    let mut before = before.clone();
    before.train.steps = now.train.steps;
    before != *now
}

/// Refuses a run that will not fit, as far as the free memory of its device is known.
fn check_free_memory(config: &RunConfig, name: &str, extensions: &Extensions) -> Result<()> {
    let Some(free_memory) = free_memory::free_bytes(name) else {
        return Ok(());
    };
    let model = plan::model_config(config, &extensions.families)?;
    let Some(lengths) = Lengths::look(config, &model, &extensions.families) else {
        return Ok(());
    };
    let target = Target::named(name)?;
    let plan = |config: &RunConfig| {
        let algorithms = &extensions.algorithms;
        Plan::new(config, &model, lengths, target, algorithms)
    };
    tracing::info!("{}", plan(config)?.table(config));
    Ok(free_memory::check(config, free_memory, |config| {
        plan(config).ok()
    })?)
}

/// The configuration of a new run, or that of the run which is continued.
fn resolve(args: &Args, extensions: &Extensions) -> Result<Resolved> {
    let mut sets = args.sets.clone();
    sets.extend(args.steps.map(|steps| format!("train.steps={steps}")));
    sets.extend(args.seed.map(|seed| format!("seed={seed}")));
    sets.extend(args.no_check.then(|| "data.check=none".to_owned()));
    let mut files = args.configs.clone();
    if let (true, Some(dir)) = (args.resume, &args.run_dir) {
        if !files.is_empty() {
            let message = "--resume takes its configuration from the run directory: \
                           change single values with --set";
            return Err(InputError::new(message).into());
        }
        files.push(RunDir::read(dir)?.config());
    }
    let resolved = for_run(&files, &sets, extensions)?;
    match files.last() {
        Some(file) if args.resume && resolved.run.model.path.is_empty() => {
            let message = "there is no model.path in it, expected the configuration that the run was \
                           made with: was the file emptied?";
            Err(InputError::new(format!("{}: {message}", file.display())).into())
        }
        _ => Ok(resolved),
    }
}

/// No row is left out in silence.
fn report_skipped(trainer: &Trainer) {
    const SHOWN: usize = 5;
    for Skipped { set, kept, errors } in trainer.skipped() {
        say!(
            "left out {} of {} rows of {set} (data.on_error or reward.on_unparsable_gold = \"skip\"):",
            errors.len(),
            errors.len() + kept
        );
        for error in &errors[..errors.len().min(SHOWN)] {
            say!("  {error}");
        }
        for error in errors {
            tracing::warn!("left out: {error}");
        }
    }
}
