//! The command line: see `trainer --help`.

use clap::Parser;
use std::process::ExitCode;

/// Training allocates and frees large tensors all the time: mimalloc hands pages back less
/// eagerly than the system's allocator and saves a good part of the page faults.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = trainer::cli::Cli::parse();
    trainer::exit::code(trainer::cmd::run(cli))
}
