//! `trainer plan`

use crate::{
    Extensions,
    config::{self, for_run},
    device,
    output::Output,
    paths,
    plan::preview,
};
use anyhow::Result;
use std::path::PathBuf;

/// Arguments of `trainer plan`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Configuration files, merged left to right; without any, the built-in demo.
    #[arg(value_parser = paths::path())]
    pub configs: Vec<PathBuf>,
    /// Overrides one value, as `optim.lr=1e-5`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// What to plan for, as `cuda:0,1`; the device need not be there.
    #[arg(long, default_value = device::DEFAULT)]
    pub device: String,
}

/// Prints what a run would hold, without a model or a device.
///
/// # Errors
/// A configuration that cannot be used, or a model that is not known.
pub fn run(args: &Args, extensions: &Extensions) -> Result<()> {
    let resolved = for_run(&args.configs, &args.sets, extensions)?;
    config::check(&resolved, extensions)?;
    resolved.tell();
    let preview = preview(&resolved, &args.device, extensions)?;
    let mut out = Output::stdout();
    out.line(&preview.table)?;
    out.finish()?;
    preview.tell_missing();
    Ok(())
}
