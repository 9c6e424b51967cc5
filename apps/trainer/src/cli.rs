//! Arguments of the top level.

use crate::cmd::Command;
use clap::Parser;

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
