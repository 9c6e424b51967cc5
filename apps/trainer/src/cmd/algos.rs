//! `trainer algos`

mod apply;
mod batch;

pub use apply::{Applied, apply};
pub use batch::BatchFile;

use crate::{
    Extensions,
    config::{resolve, set_option},
    device,
    input_error::InputError,
    output::Output,
    paths,
};
use anyhow::Result;
use burn_rl::algo::{Entry, Registry};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Arguments of `trainer algos`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// One algorithm; without a name, all are listed.
    pub name: Option<String>,
    /// Prints JSON.
    #[arg(long)]
    pub json: bool,
    /// Runs the algorithm's advantages and loss on a batch given as numbers and prints advantages,
    /// losses and derivatives as JSON.
    #[arg(long, value_name = "BATCH.json", requires = "name", value_parser = paths::path())]
    pub apply: Option<PathBuf>,
    /// With --apply: filters judge the groups first. What they leave out has no loss and does not
    /// count.
    #[arg(long, requires = "apply")]
    pub filter: bool,
    /// Changes an option of the algorithm, as `clip_high=0.28`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "name")]
    pub sets: Vec<String>,
    /// Where to compute, as `trainer inspect --devices` lists it.
    #[arg(long, default_value = device::DEFAULT)]
    pub device: String,
}

/// Lists the algorithms, describes one, or applies it to a batch.
///
/// # Errors
/// An unknown name or option, or a batch that cannot be used.
pub fn run(args: &Args, extensions: &Extensions) -> Result<()> {
    let mut out = Output::stdout();
    let Some(name) = &args.name else {
        list(args.json, &extensions.algorithms, &mut out)?;
        return out.finish();
    };
    let mut sets = vec![format!("algo.name={name}")];
    for set in &args.sets {
        let (key, _) = set_option(set)?;
        let prefix = if key.starts_with("algo.") {
            ""
        } else {
            "algo."
        };
        sets.push(format!("{prefix}{set}"));
    }
    let config = resolve(None, &[], &sets, extensions)?.run.algo;
    if let Some(path) = &args.apply {
        let batch = BatchFile::read(path)?;
        let recipe = config.recipe(&extensions.algorithms)?;
        if !recipe.filters().is_empty() && !args.filter {
            say!(
                "note: the batch is taken as one optimiser step; --filter has filters judge it first"
            );
        }
        let device = device::parse(&args.device)?;
        let applied = apply(&recipe, &batch, args.filter, &device)
            .map_err(|e| InputError::new(format!("{}: {e}", path.display())))?;
        out.json(&applied)?;
        return out.finish();
    }
    let entry = extensions.algorithms.find(name)?;
    let options = &config.options;
    if args.json {
        out.json(&describe(entry, options))?;
        return out.finish();
    }
    out.line(format_args!(
        "{} — {}\n{}\n{}\n",
        entry.name, entry.about, entry.equation, entry.paper
    ))?;
    let own = (entry.own)();
    let (own, shared): (toml::Table, toml::Table) = options
        .clone()
        .into_iter()
        .partition(|(name, _)| own.contains_key(name));
    for (title, table) in [
        ("its own options", own),
        ("settings that all algorithms share", shared),
    ] {
        if !table.is_empty() {
            let text = toml::to_string(&table).unwrap_or_default();
            out.line(format_args!("# {title}\n{text}"))?;
        }
    }
    out.finish()
}

fn list(json: bool, algorithms: &Registry, out: &mut Output) -> std::io::Result<()> {
    if json {
        let all: Vec<Value> = algorithms
            .iter()
            .map(|a| describe(a, &(a.defaults)()))
            .collect();
        return out.json(&all);
    }
    let width =
        |column: fn(&Entry) -> &str| algorithms.iter().map(|a| column(a).chars().count()).max();
    let (name, about) = (
        width(|a| a.name).unwrap_or(0),
        width(|a| a.about).unwrap_or(0),
    );
    for a in algorithms.iter() {
        out.line(format_args!(
            "{:<name$}  {:<about$}  {}",
            a.name, a.about, a.paper
        ))?;
    }
    Ok(())
}

fn describe(entry: &Entry, options: &toml::Table) -> Value {
    json!({
        "name": entry.name,
        "aliases": entry.aliases,
        "about": entry.about,
        "equation": entry.equation,
        "paper": entry.paper,
        "defaults": options,
    })
}
