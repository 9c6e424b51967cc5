//! The plan of a run that has not been started, of which parts may still be missing.

use super::{LOOKED_AT, Lengths, Plan, Target, held_out, model_config};
use crate::{
    Extensions,
    config::Resolved,
    demo::{BUILTIN_MODEL, materialise},
    model_dir::described_in,
};
use anyhow::{Context, Result};
use burn_rl::{config::RunConfig, run_dir::RunDir};
use burn_vlm::ModelConfig;
use std::path::Path;

/// A plan for people.
pub struct Preview {
    /// The plan, a line each.
    pub table: String,
    missing: Vec<String>,
}

impl Preview {
    /// Says what the run still lacks on this machine.
    pub fn tell_missing(&self) {
        for line in &self.missing {
            say!("not here yet: {line}");
        }
    }
}

/// Plans a run on the devices of that name, which need not be there.
///
/// # Errors
/// A device name that means nothing, a model that is neither here nor known, or settings that do
/// not fit it.
pub fn preview(resolved: &Resolved, device: &str, extensions: &Extensions) -> Result<Preview> {
    let target = Target::named(device)?;
    let model = model_config(&resolved.run)?;
    let lengths = lengths(resolved, &model)?;
    let plan = Plan::new(
        &resolved.run,
        &model,
        lengths,
        target,
        &extensions.algorithms,
    )?;
    let mut table = plan.table(&resolved.run).trim_end().to_owned();
    if target.devices > 1 && target.is_gpu {
        table.push_str(&format!("\non each of {} devices", target.devices));
    }
    Ok(Preview {
        table,
        missing: missing(&resolved.run),
    })
}

/// The lengths of a run's prompts, as far as its data are here; the demo's first rows are written
/// for it.
fn lengths(resolved: &Resolved, model: &ModelConfig) -> Result<Lengths> {
    let limits = || Lengths::limits(&resolved.run, model);
    let scratch = std::env::temp_dir().join(format!("trainer-plan-{}", std::process::id()));
    let run = RunDir::create(&scratch)?;
    let mut first = resolved.clone();
    first.demo = resolved.demo.as_ref().map(|demo| demo.first(LOOKED_AT));
    let found = materialise(&mut first, &run)
        .map(|()| Lengths::look(&first.run, model).unwrap_or_else(limits));
    std::fs::remove_dir_all(&scratch).with_context(|| scratch.display().to_string())?;
    let mut found = found?;
    if let Some(demo) = resolved.demo.as_ref().filter(|demo| demo.eval > 0) {
        found.held_out = held_out(&resolved.run, demo.eval);
    }
    Ok(found)
}

fn missing(run: &RunConfig) -> Vec<String> {
    let mut missing = vec![];
    let model = Path::new(&run.model.path);
    if run.model.path != BUILTIN_MODEL && described_in(model).is_err() {
        let model = model.display();
        missing.push(format!(
            "model {model}, planned by its published configuration"
        ));
    }
    let sets = run.data.sets();
    let paths = sets.iter().map(|set| &set.path).chain([&run.eval.data]);
    let absent = paths.filter(|path| !path.is_empty() && !Path::new(path).exists());
    missing.extend(absent.cloned());
    missing
}
