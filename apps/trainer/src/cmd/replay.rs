//! `trainer replay`: a step's completions made again.

use crate::{
    Extensions,
    cmd::diff::difference,
    config::{self, Resolved},
    device, devices,
    exit::DIFFER,
    input_error::InputError,
    output::Output,
    paths,
    progress::Progress,
    setup::{Start, build},
    signals::{INTERRUPTED, stop_on_signal},
};
use anyhow::Result;
use burn_rl::{
    StopFlag,
    config::{LrSchedule, RunConfig},
    run_dir::{RunDir, by_step, step_of},
};
use run_log::{
    rollout_log::{RolloutRecord, read_rollouts},
    settings,
};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Arguments of `trainer replay`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The directory of the run. It is left as it is.
    #[arg(long, value_name = "DIR", value_parser = paths::path())]
    pub run: PathBuf,
    /// The step whose completions are made again, from the newest checkpoint before it: the steps in
    /// between are learned again.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub step: u64,
    /// Shows one of them beside that of the run, by its place in rollouts/step_N.jsonl, from 1.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..))]
    pub sample: Option<u64>,
    /// Where to compute, as `trainer inspect --devices` lists it. Bits are those of the run on the
    /// kind of device that it ran on.
    #[arg(long, default_value = device::DEFAULT)]
    pub device: String,
}

/// Makes the completions of a step again and says whether they are those of the run, to the bit: the
/// text, the log-probabilities, the rewards. The status is 0 if they are, else 1.
///
/// # Errors
/// A run that has no such step, or of which something is missing.
pub fn run(args: &Args, extensions: &Extensions) -> Result<ExitCode> {
    let run = RunDir::read(&args.run)?;
    let recorded = recorded(&run, args)?;
    let checkpoint = before(&run, args.step)?;
    let mut resolved = settings_of(&run, args.step, checkpoint.as_deref(), extensions)?;
    // Neither changes what is sampled.
    resolved.run.eval.data.clear();
    resolved.demo = None;
    match &checkpoint {
        Some(dir) => say!("from {}", dir.display()),
        None => say!("from step 0: no checkpoint is before step {}", args.step),
    }
    let devices = devices::parse(&args.device)?;
    let stop = StopFlag::default();
    stop_on_signal(&stop)?;
    let start = Start::Replayed(checkpoint);
    let mut trainer = build(&resolved.run, start, &devices, stop, extensions)?;
    let mut progress = Progress::new(
        run.root(),
        args.step,
        trainer.done(),
        &resolved.run.eval.name,
    );
    let found = trainer.replay(args.step, &mut progress);
    progress.finish();
    let Some(found) = found? else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let mut out = Output::stdout();
    if let Some(k) = args.sample {
        let at = k as usize - 1;
        for (name, records) in [("the run", &recorded), ("made again", &found)] {
            out.line(format!("--- {name}"))?;
            out.line(records.get(at).map_or("none".into(), shown))?;
        }
    }
    let difference = difference(&recorded, &found);
    out.line(match &difference {
        None => format!(
            "step {}: {} completions, the same to the bit",
            args.step,
            recorded.len()
        ),
        Some(said) => format!("step {}: {said} (the run | made again)", args.step),
    })?;
    out.finish()?;
    Ok(match difference {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::from(DIFFER),
    })
}

fn recorded(run: &RunDir, args: &Args) -> Result<Vec<RolloutRecord>> {
    let path = run.rollouts(args.step);
    if !path.exists() {
        let message = format!("--step {}: there is no {}", args.step, path.display());
        return Err(InputError::new(message).into());
    }
    let records = read_rollouts(&path)?;
    match args.sample {
        Some(k) if k as usize > records.len() => Err(InputError::new(format!(
            "--sample {k}: the step has {} completions",
            records.len()
        ))
        .into()),
        _ => Ok(records),
    }
}

/// The settings that a step was made with, and all steps between it and the checkpoint that it is
/// made again from.
///
/// # Errors
/// Steps in between that were made with others.
fn settings_of(
    run: &RunDir,
    step: u64,
    checkpoint: Option<&Path>,
    extensions: &Extensions,
) -> Result<Resolved> {
    let file = settings::of_step(run, step)?;
    let resolved = config::for_run(std::slice::from_ref(&file), &[], extensions)?;
    let first = checkpoint.and_then(step_of).map_or(1, |done| done + 1);
    let mut compared = file.clone();
    for between in (first..step).rev() {
        let others = settings::of_step(run, between)?;
        if others == compared {
            continue;
        }
        compared.clone_from(&others);
        let before = config::for_run(std::slice::from_ref(&others), &[], extensions)?;
        if !make_the_same(&before.run, &resolved.run) {
            let message = format!(
                "--step {step}: it was made with the settings of {}, but step {between} before it \
                 with those of {}, and there is no checkpoint between them to start from",
                file.display(),
                others.display()
            );
            return Err(InputError::new(message).into());
        }
    }
    Ok(resolved)
}

/// Whether a step is the same under both settings: their lengths only matter to a learning rate that
/// looks ahead.
fn make_the_same(a: &RunConfig, b: &RunConfig) -> bool {
    let mut a = a.clone();
    let looks_ahead = b.optim.schedule != LrSchedule::Constant || b.optim.warmup_ratio > 0.0;
    if !looks_ahead {
        a.train.steps = b.train.steps;
    }
    a == *b
}

/// The newest checkpoint of fewer steps.
fn before(run: &RunDir, step: u64) -> Result<Option<PathBuf>> {
    let steps = by_step(&run.checkpoints_dir(), "")?.into_iter();
    let newest = steps.rev().find(|(found, _)| *found < step);
    Ok(newest.map(|(_, dir)| dir))
}

/// A completion for people.
fn shown(record: &RolloutRecord) -> String {
    let RolloutRecord {
        prompt_id,
        draw,
        prompt,
        response,
        tokens,
        reward,
        ..
    } = record;
    format!("row {prompt_id}, draw {draw}: {prompt}\n{response}\n{tokens} tokens, reward {reward}")
}
