//! `trainer diff`: where two runs part.

mod compared;
mod completions;
mod numbers;
mod settings;
mod weights;

use compared::{Compared, Parting};
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

/// Compares settings, completions, numbers and weights of two runs, and says of each kind where they
/// first differ and what could not be compared; what a clock or a memory gauge has measured is left
/// out. The status is 0 where nothing differs in the steps that both have, else 1; also 1 where one
/// run has completions, numbers or weights and not a single step of them could be compared.
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
        ("completions", completions::compare(&a, &b)?),
        ("numbers", numbers::compare(&a, &b)?),
        ("weights", weights::compare(&a, &b)?),
    ];
    for (kind, found) in &kinds {
        out.line(format!("{kind:<12} {}", found.line()))?;
    }
    let parted = kinds
        .iter()
        .filter_map(|(kind, found)| Some((found.first.as_ref()?.step, kind)));
    let first = parted.min_by_key(|(step, _)| *step);
    let missing = kinds.iter().filter(|(_, found)| found.is_missing());
    let missing: Vec<&str> = missing.map(|(kind, _)| *kind).collect();
    let nothing = kinds.iter().all(|(_, found)| found.both == 0);
    let same = first.is_none() && missing.is_empty() && !nothing;
    out.line(match first {
        Some((step, kind)) => format!("the runs part at step {step}, in their {kind}"),
        None if same => "the runs are the same in all that both have".to_owned(),
        None if nothing => "nothing could be compared".to_owned(),
        None => format!(
            "nothing differs in what both have, but their {} could not be compared",
            missing.join(" and ")
        ),
    })?;
    out.finish()?;
    Ok(match same {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(DIFFER),
    })
}
