//! `trainer config`

use crate::{Extensions, config, output::Output, paths};
use anyhow::Result;
use std::path::PathBuf;

/// Arguments of `trainer config`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Configuration files, merged left to right; without any, the built-in demo.
    #[arg(value_parser = paths::path())]
    pub configs: Vec<PathBuf>,
    /// Overrides one value, as `optim.lr=1e-5`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Prints the JSON schema of configuration files instead.
    #[arg(long, conflicts_with_all = ["configs", "sets"])]
    pub schema: bool,
}

/// Prints the resolved configuration as TOML, every default spelled out.
///
/// # Errors
/// A configuration that cannot be used.
pub fn run(args: &Args, extensions: &Extensions) -> Result<()> {
    let mut out = Output::stdout();
    if args.schema {
        out.line(format_args!("{:#}", config::schema(extensions)))?;
        return out.finish();
    }
    let base = args.configs.is_empty().then_some(config::DEMO);
    let resolved = config::resolve(base, &args.configs, &args.sets, extensions)?;
    resolved.tell();
    out.line(config::to_toml(&resolved).trim_end())?;
    out.finish()
}
