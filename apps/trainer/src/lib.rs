//! The application: arguments, configuration files, progress, exit codes. No algorithm, no loss.
#![warn(missing_docs)]

/// Writes a line for people to standard error; if nobody reads it, the work goes on.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

pub mod allocator;
pub mod benchmarks;
pub mod cli;
pub mod cmd;
pub mod command_line;
pub mod config;
pub mod demo;
pub mod device;
pub mod devices;
pub mod exit;
pub mod hub;
pub mod input_error;
pub mod logging;
pub mod model_dir;
pub mod output;
pub mod paths;
pub mod plan;
pub mod processor_args;
pub mod progress;
pub mod report;
pub mod setup;
pub mod signals;
pub mod versions;

/// What a program has beside what is built in.
#[derive(Debug, Clone, Default)]
pub struct Extensions {
    /// The algorithms that configurations may name.
    pub algorithms: burn_rl::algo::Registry,
    /// The families of models that directories may be of.
    pub families: burn_vlm::Families,
    /// The reward rules that configurations and the command line may name.
    pub rewards: burn_rewards::Registry,
}

impl Extensions {
    /// The same with one more algorithm.
    ///
    /// # Errors
    /// A name that is taken.
    pub fn with_algorithm<A: burn_rl::algo::Algorithm>(mut self) -> Result<Self, burn_rl::RlError> {
        self.algorithms = self.algorithms.with::<A>()?;
        Ok(self)
    }
}

/// Runs the command that the program's arguments name and says what went wrong, if anything did.
pub fn run() -> std::process::ExitCode {
    run_with(Extensions::default())
}

/// The same for a program with algorithms, model families or reward rules of its own.
pub fn run_with(extensions: Extensions) -> std::process::ExitCode {
    let cli: cli::Cli = clap::Parser::parse();
    exit::code(cmd::run(cli.command, &extensions))
}
