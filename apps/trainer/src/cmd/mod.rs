//! One command a file.

pub mod algos;
pub mod bench;
pub mod config;
pub mod doctor;
pub mod eval;
pub mod export;
pub mod filter_difficulty;
pub mod generate;
pub mod inspect;
pub mod prepare;
pub mod reward;
pub mod rewards;
pub mod score;
pub mod train;

use crate::{
    Extensions,
    cli::{Cli, Command},
};
use std::process::ExitCode;

/// Runs the command.
///
/// # Errors
/// What the command could not do; [`crate::exit::code`] turns it into a message and a status.
pub fn run(cli: Cli, extensions: &Extensions) -> anyhow::Result<ExitCode> {
    match cli
        .command
        .unwrap_or_else(|| Command::Train(train::Args::default()))
    {
        Command::Train(args) => return train::run(&args, extensions),
        Command::Generate(args) => generate::run(&args)?,
        Command::Score(args) => score::run(&args)?,
        Command::Doctor(args) => doctor::run(&args)?,
        Command::Eval(args) => eval::run(&args)?,
        Command::Export(args) => export::run(&args)?,
        Command::FilterDifficulty(args) => filter_difficulty::run(&args, extensions)?,
        Command::Inspect(args) => inspect::run(&args)?,
        Command::Prepare(args) => prepare::run(&args)?,
        Command::Algos(args) => algos::run(&args, extensions)?,
        Command::Bench(args) => bench::run(&args, extensions)?,
        Command::Reward(args) => reward::run(&args)?,
        Command::Rewards(args) => rewards::run(&args)?,
        Command::Config(args) => config::run(&args, extensions)?,
    }
    Ok(ExitCode::SUCCESS)
}
