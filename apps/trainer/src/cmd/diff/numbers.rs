//! The first number of `metrics.jsonl` that differs.

use super::Parting;
use anyhow::Result;
use burn_rl::{
    metrics::{Metrics, is_measured},
    run_dir::RunDir,
};
use run_log::step_log;
use std::collections::{BTreeMap, BTreeSet};

pub fn first(a: &RunDir, b: &RunDir) -> Result<Option<Parting>> {
    let steps = |run: &RunDir| -> Result<BTreeMap<u64, Metrics>> {
        Ok(step_log::read(&run.metrics())?.into_iter().collect())
    };
    let (a, b) = (steps(a)?, steps(b)?);
    let both = a
        .iter()
        .filter_map(|(step, a)| Some((*step, a, b.get(step)?)));
    Ok(both
        .filter_map(|(step, a, b)| {
            Some(Parting {
                step,
                said: difference(a, b)?,
            })
        })
        .next())
}

fn difference(a: &Metrics, b: &Metrics) -> Option<String> {
    let names: BTreeSet<&str> = a.iter().chain(b.iter()).map(|(name, _)| name).collect();
    let bits = |from: &Metrics, name| from.get(name).map(f64::to_bits);
    let mut differing = names
        .into_iter()
        .filter(|name| !is_measured(name) && bits(a, name) != bits(b, name));
    let name = differing.next()?;
    let text = |from: &Metrics| from.get(name).map_or("missing".into(), |x| x.to_string());
    let more = match differing.count() {
        0 => String::new(),
        n => format!(", and {n} more"),
    };
    Some(format!("{name}: {} | {}{more}", text(a), text(b)))
}
