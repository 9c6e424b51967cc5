//! The application: arguments, configuration files, progress, exit codes. No algorithm, no loss.
#![warn(missing_docs)]

/// Writes a line for people to standard error; if nobody reads it, the work goes on.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

pub mod benchmarks;
pub mod cli;
pub mod cmd;
pub mod config;
pub mod demo;
pub mod device;
pub mod devices;
pub mod exit;
pub mod hub;
pub mod input_error;
pub mod model_dir;
pub mod output;
pub mod paths;
pub mod plan;
pub mod processor_args;
pub mod progress;
pub mod setup;

/// Runs the command that the program's arguments name and says what went wrong, if anything did.
/// A program with algorithms or rewards of its own registers them and calls this.
pub fn run() -> std::process::ExitCode {
    exit::code(cmd::run(clap::Parser::parse()))
}

/// The same for a program with model families of its own.
pub fn run_with(families: burn_vlm::Families) -> std::process::ExitCode {
    match model_dir::set_families(families) {
        Ok(()) => run(),
        Err(error) => exit::code(Err(error)),
    }
}
