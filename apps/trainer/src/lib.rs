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
pub mod extensions;
pub mod hub;
pub mod input_error;
pub mod model_dir;
pub mod output;
pub mod plan;
pub mod processor_args;
pub mod progress;
pub mod report;
pub mod setup;

pub use extensions::Extensions;

/// Runs the command that the program's arguments name and says what went wrong, if anything did.
pub fn run() -> std::process::ExitCode {
    run_with(Extensions::default())
}

/// [`run`] for a program with rewards of its own.
pub fn run_with(extensions: Extensions) -> std::process::ExitCode {
    extensions.install();
    exit::code(cmd::run(clap::Parser::parse()))
}
