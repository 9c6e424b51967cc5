//! Arguments of the top level.

use crate::cmd;
use clap::{Parser, Subcommand};

/// Reinforcement learning of vision-language models.
///
/// Without a command it trains the built-in demo: a small model that learns to look at a picture
/// before it answers a question about it.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a model.
    Train(cmd::train::Args),
    /// Sample completions.
    Generate(cmd::generate::Args),
    /// Log-probabilities of given responses.
    Score(cmd::score::Args),
    /// Measure a model on a benchmark or on data rows.
    Eval(cmd::eval::Args),
    /// Write a checkpoint as a Hugging Face model directory.
    Export(cmd::export::Args),
    /// Keep the rows of a data set that are neither too hard nor too easy for a model.
    FilterDifficulty(cmd::filter_difficulty::Args),
    /// Describe a model directory.
    Inspect(cmd::inspect::Args),
    /// Make a published data set ready for training.
    Prepare(cmd::prepare::Args),
    /// List the algorithms, or describe or apply one.
    Algos(cmd::algos::Args),
    /// Time sampling, scoring and updating on made-up prompts.
    Bench(cmd::bench::Args),
    /// Grade responses against gold answers.
    Reward(cmd::reward::Args),
    /// List the rewards.
    Rewards(cmd::rewards::Args),
    /// Hold what a device computes against the CPU.
    Doctor(cmd::doctor::Args),
    /// Print the resolved configuration.
    Config(cmd::config::Args),
}
