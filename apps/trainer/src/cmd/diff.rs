//! `trainer diff`: where two runs part.

mod completions;
mod numbers;
mod settings;
mod weights;

pub use completions::difference;

use crate::{exit::DIFFER, output::Output, paths};
use anyhow::Result;
use burn_rl::run_dir::RunDir;
use std::{path::PathBuf, process::ExitCode};

/// Arguments of `trainer diff`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The directory of a run.
    #[arg(value_name = "RUN_A", value_parser = paths::path())]
    pub a: PathBuf,
    /// That of another, or the same one copied or made again.
    #[arg(value_name = "RUN_B", value_parser = paths::path())]
    pub b: PathBuf,
}

/// The first difference of one kind.
struct Parting {
    /// After how many updates.
    step: u64,
    /// What differs, with both values.
    said: String,
}

/// Compares settings, completions, numbers and weights of two runs, and says of each kind where they
/// first differ; what a clock or a memory gauge has measured is left out. The status is 0 where
/// nothing differs in the steps that both have, else 1.
///
/// # Errors
/// A directory or a file of a run that cannot be read.
pub fn run(args: &Args) -> Result<ExitCode> {
    let (a, b) = (RunDir::read(&args.a)?, RunDir::read(&args.b)?);
    let mut out = Output::stdout();
    for line in settings::differences(&a, &b)? {
        out.line(format!("setting      {line}"))?;
    }
    // In the order in which a step makes them.
    let kinds = [
        ("completions", completions::first(&a, &b)?),
        ("numbers", numbers::first(&a, &b)?),
        ("weights", weights::first(&a, &b)?),
    ];
    for (kind, found) in &kinds {
        out.line(match found {
            None => format!("{kind:<12} the same"),
            Some(Parting { step, said }) => format!("{kind:<12} first at step {step}: {said}"),
        })?;
    }
    let parted = kinds
        .iter()
        .filter_map(|(kind, found)| Some((found.as_ref()?.step, kind)));
    let first = parted.min_by_key(|(step, _)| *step);
    out.line(match first {
        None => "the runs are the same in all that both have".to_owned(),
        Some((step, kind)) => format!("the runs part at step {step}, in their {kind}"),
    })?;
    out.finish()?;
    Ok(match first {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::from(DIFFER),
    })
}
