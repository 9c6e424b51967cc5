//! `trainer prepare`: published data sets as files that `trainer train` reads.

mod sat;

use crate::input_error::InputError;
use crate::paths;
use anyhow::Result;
use std::path::PathBuf;

/// Arguments of `trainer prepare`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The data set.
    #[command(subcommand)]
    pub set: Set,
}

/// A data set that can be prepared.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Set {
    /// SAT (spatial aptitude training): questions about one picture with options, of which the
    /// order is drawn anew; rows of several pictures are left out.
    Sat(SatArgs),
}

/// Arguments of `trainer prepare sat`.
#[derive(Debug, Clone, clap::Args)]
pub struct SatArgs {
    /// SAT_train.parquet of hf.co/datasets/array/SAT, or a directory of parquet files.
    #[arg(long, value_name = "PATH", value_parser = paths::path())]
    pub parquet: PathBuf,
    /// The directory to make: sat.jsonl and its pictures in images/.
    #[arg(long, value_name = "DIR", value_parser = paths::path())]
    pub out: PathBuf,
    /// Reads this many rows, from the first; VisualThinker-R1-Zero reads 15,000. All by default.
    #[arg(long, value_name = "N")]
    pub rows: Option<usize>,
    /// What the order of the options depends on.
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
}

/// Prepares a data set.
///
/// # Errors
/// A file that cannot be read, a row that is not what it should be, or an output that exists.
pub fn run(args: &Args) -> Result<()> {
    match &args.set {
        Set::Sat(args) => {
            if args.out.exists() {
                let out = args.out.display();
                return Err(InputError::new(format!(
                    "--out {out}: exists, expected a new directory"
                ))
                .into());
            }
            sat::prepare(args)
        }
    }
}
