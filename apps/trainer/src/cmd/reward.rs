//! `trainer reward`

mod explain;
mod grade;
mod rescore;
mod rows;
mod show;
mod summary;

use crate::{
    Extensions,
    config::set_option,
    output::{Output, check_apart},
    paths,
};
use anyhow::Result;
use burn_rewards::OnUnparsableGold;
use burn_rl::error::RlError;
use clap::ValueEnum;
use grade::{Graded, Grader};
use rows::RowReader;
use serde_json::{Map, Value};
use std::{
    path::{Path, PathBuf},
    time::Instant,
};
use summary::Summary;

/// Arguments of `trainer reward`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Rows {"id","gold","pred"}.
    ///
    /// For the rule `math` a row may name a grader as "config" and change its options as "opts".
    /// Rules that look at more read "prompt", "response_tokens", "truncated", "set", "step",
    /// "fields", "prompt_end", "image_sizes" and "coordinates".
    #[arg(
        long,
        value_name = "FILE.jsonl",
        required_unless_present = "rollouts",
        conflicts_with = "rollouts", value_parser = paths::path())]
    pub data: Option<PathBuf>,
    /// A finished run whose completions are rewarded again, by its configuration with --config and
    /// --set on top; rewards, filters and advantages are compared step by step.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["rule", "on_unparsable_gold", "explain"], value_parser = paths::path())]
    pub rollouts: Option<PathBuf>,
    /// With --rollouts: files that change the run's configuration, as one with another [reward];
    /// may be repeated.
    #[arg(long = "config", value_name = "NEW.toml", requires = "rollouts", value_parser = paths::path())]
    pub configs: Vec<PathBuf>,
    /// Tells of each row what was found where, how both sides were read, why they are equal or not
    /// and what other graders say.
    #[arg(long)]
    pub explain: bool,
    /// With --explain or --rollouts: prints JSON.
    #[arg(long)]
    pub json: bool,
    /// The rule that judges, as `trainer rewards` lists them.
    #[arg(long, value_name = "NAME", default_value = "math")]
    pub rule: String,
    /// Changes an option of the rule, as `profile=trl`, or with --rollouts a key of the
    /// configuration; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// What a gold answer that the rule cannot use does: `error` ends with file and line, `skip`
    /// leaves the row out, `zero` counts the response as wrong. Each is counted in the summary.
    #[arg(long, value_name = "POLICY", default_value = "zero")]
    pub on_unparsable_gold: Policy,
    /// Where the results go [default: standard output]; with --rollouts, a line for each completion
    /// [default: none].
    #[arg(long, value_name = "FILE.jsonl", value_parser = paths::path())]
    pub out: Option<PathBuf>,
}

/// [`OnUnparsableGold`] as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// End with file and line.
    Error,
    /// Leave the row out.
    Skip,
    /// Count the response as wrong.
    Zero,
}

impl From<Policy> for OnUnparsableGold {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Error => Self::Error,
            Policy::Skip => Self::Skip,
            Policy::Zero => Self::Zero,
        }
    }
}

/// Grades every row, in input order; a file of any length takes the same memory.
///
/// # Errors
/// A rule, an option or a row that cannot be used, a reward service that fails, or results that
/// would replace the rows.
pub fn run(args: &Args, extensions: &Extensions) -> Result<()> {
    if let Some(run) = &args.rollouts {
        return rescore::run(args, run, extensions);
    }
    let data = args.data.as_deref().unwrap_or(Path::new(""));
    check_apart(args.out.as_deref(), data)?;
    let grader = Grader::new(
        &args.rule,
        &options(&args.sets)?,
        args.on_unparsable_gold.into(),
        args.explain,
        &extensions.rewards,
    )?;
    let mut reader = RowReader::open(data, !grader.reads_config())?;
    let mut out = Output::create(args.out.as_deref())?;
    let mut summary = Summary::default();
    while let Some(rows) = reader.next_chunk()? {
        summary.look(&grader, &rows);
        let start = Instant::now();
        let graded = grader.grade(data, &rows);
        summary.grading += start.elapsed();
        // A row that cannot be used is told before any other of its chunk is printed.
        for row in graded.into_iter().collect::<Result<Vec<_>, _>>()? {
            match row {
                Graded::Record(record) => {
                    summary.add(&record);
                    match args.explain && !args.json {
                        true => show::print(&mut out, &record)?,
                        false => out.json(&record)?,
                    }
                }
                Graded::Skipped(error) => summary.skip(error),
            }
        }
    }
    if reader.rows() == 0 {
        return Err(RlError::Data {
            path: data.into(),
            line: 1,
            message: "no row in this file".into(),
        }
        .into());
    }
    out.finish()?;
    summary.say(&grader);
    Ok(())
}

/// The options of the rule: each value as TOML has it, else as text.
fn options(sets: &[String]) -> Result<Map<String, Value>> {
    let mut options = Map::new();
    for set in sets {
        let (key, value) = set_option(set)?;
        let key = key.strip_prefix("options.").unwrap_or(&key).to_owned();
        options.insert(key, serde_json::to_value(value)?);
    }
    Ok(options)
}
