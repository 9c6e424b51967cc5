//! One command a file.

pub mod algos;
pub mod bench;
pub mod config;
pub mod diff;
pub mod doctor;
pub mod eval;
pub mod export;
pub mod filter_difficulty;
pub mod generate;
pub mod inspect;
pub mod plan;
pub mod prepare;
pub mod replay;
pub mod reward;
pub mod rewards;
pub mod score;
pub mod train;

use crate::Extensions;
use clap::Subcommand;
use std::process::ExitCode;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a model.
    Train(train::Args),
    /// Sample completions.
    Generate(generate::Args),
    /// Log-probabilities of given responses.
    Score(score::Args),
    /// Measure a model on a benchmark or on data rows.
    Eval(eval::Args),
    /// Write a checkpoint as a Hugging Face model directory.
    Export(export::Args),
    /// Keep the rows of a data set that are neither too hard nor too easy for a model.
    FilterDifficulty(filter_difficulty::Args),
    /// Describe a model directory.
    Inspect(inspect::Args),
    /// Make a published data set ready for training.
    Prepare(prepare::Args),
    /// List the algorithms, or describe or apply one.
    Algos(algos::Args),
    /// Time sampling, scoring and updating on made-up prompts.
    Bench(bench::Args),
    /// Grade responses against gold answers.
    Reward(reward::Args),
    /// List the rewards.
    Rewards(rewards::Args),
    /// Say where two runs part.
    Diff(diff::Args),
    /// Make the completions of a step of a run again, and compare them to the bit.
    Replay(replay::Args),
    /// Hold what a device computes against the CPU.
    Doctor(doctor::Args),
    /// Predict what a run will hold, without a model or a device.
    Plan(plan::Args),
    /// Print the resolved configuration.
    Config(config::Args),
}

/// Runs the command; without one, the demo.
///
/// # Errors
/// What the command could not do; [`crate::exit::code`] turns it into a message and a status.
pub fn run(command: Option<Command>, extensions: &Extensions) -> anyhow::Result<ExitCode> {
    match command.unwrap_or_else(|| Command::Train(train::Args::default())) {
        Command::Train(args) => return train::run(&args, extensions),
        Command::Diff(args) => return diff::run(&args),
        Command::Replay(args) => return replay::run(&args, extensions),
        Command::Generate(args) => generate::run(&args, extensions)?,
        Command::Score(args) => score::run(&args, extensions)?,
        Command::Doctor(args) => doctor::run(&args, extensions)?,
        Command::Eval(args) => eval::run(&args, extensions)?,
        Command::Export(args) => export::run(&args, extensions)?,
        Command::FilterDifficulty(args) => filter_difficulty::run(&args, extensions)?,
        Command::Inspect(args) => inspect::run(&args, extensions)?,
        Command::Prepare(args) => prepare::run(&args)?,
        Command::Algos(args) => algos::run(&args, extensions)?,
        Command::Bench(args) => bench::run(&args, extensions)?,
        Command::Reward(args) => reward::run(&args, extensions)?,
        Command::Rewards(args) => rewards::run(&args, extensions)?,
        Command::Plan(args) => plan::run(&args, extensions)?,
        Command::Config(args) => config::run(&args, extensions)?,
    }
    Ok(ExitCode::SUCCESS)
}
