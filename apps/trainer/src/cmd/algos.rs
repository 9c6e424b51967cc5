//! `trainer algos`

mod apply;
mod batch;

pub use apply::{Applied, apply};
pub use batch::BatchFile;

use crate::{config::resolve, config::set_option, device, output::Output};
use anyhow::Result;
use burn_rl::algo::{ALGORITHMS, Entry};
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
    /// Runs the algorithm's credit and loss on a batch given as numbers and prints advantages,
    /// losses and derivatives as JSON.
    #[arg(long, value_name = "BATCH.json", requires = "name")]
    pub apply: Option<PathBuf>,
    /// Changes an option of the algorithm, as `clip_high=0.28`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "name")]
    pub sets: Vec<String>,
    /// Where to compute: flex (the CPU), or cuda:0 where compiled in.
    #[arg(long, default_value = "flex")]
    pub device: String,
}

/// Lists the algorithms, describes one, or applies it to a batch.
///
/// # Errors
/// An unknown name or option, or a batch that cannot be used.
pub fn run(args: &Args) -> Result<()> {
    let mut out = Output::stdout();
    let Some(name) = &args.name else {
        list(args.json, &mut out)?;
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
    let config = resolve(None, &[], &sets)?.run.algo;
    if let Some(path) = &args.apply {
        let batch = BatchFile::read(path)?;
        let recipe = config.recipe()?;
        if !recipe.filters.is_empty() {
            say!("note: filters are not applied to a batch given as numbers");
        }
        let applied = apply(&recipe, &batch, &device::parse(&args.device)?)?;
        out.json(&applied)?;
        return out.finish();
    }
    let entry = burn_rl::algo::find(name)?;
    let options = &config.options;
    match args.json {
        true => out.json(&describe(entry, options))?,
        false => {
            out.line(format_args!(
                "{} — {}\n{}\n",
                entry.name, entry.about, entry.paper
            ))?;
            out.line(toml::to_string(options).unwrap_or_default().trim_end())?;
        }
    }
    out.finish()
}

fn list(json: bool, out: &mut Output) -> std::io::Result<()> {
    if json {
        let all: Vec<Value> = ALGORITHMS
            .iter()
            .map(|a| describe(a, &(a.defaults)()))
            .collect();
        return out.json(&all);
    }
    let width =
        |column: fn(&Entry) -> &str| ALGORITHMS.iter().map(|a| column(a).chars().count()).max();
    let (name, about) = (
        width(|a| a.name).unwrap_or(0),
        width(|a| a.about).unwrap_or(0),
    );
    for a in ALGORITHMS {
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
        "about": entry.about,
        "paper": entry.paper,
        "defaults": options,
    })
}
