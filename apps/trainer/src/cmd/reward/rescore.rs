//! `trainer reward --rollouts`: a finished run under another reward.

use super::Args;
use crate::{Extensions, config, input_error::InputError, output::Output};
use anyhow::Result;
use burn_rewards::RewardFn;
use burn_rl::{
    config::RunConfig,
    rescore::{Judge, Rescorer, StepChange},
    run_dir::{RunDir, by_step},
    types::RunFacts,
};
use run_log::rollout_log::read_rollouts;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Compares the rewards of a run as logged with those of the run's configuration changed by
/// `--config` and `--set`.
///
/// # Errors
/// A run without rollouts, a configuration that cannot be used, or a reward that cannot judge.
pub fn run(args: &Args, dir: &Path, extensions: &Extensions) -> Result<()> {
    let run = RunDir::read(dir)?;
    let old = resolve(&run, &[], &[], extensions)?;
    let new = resolve(&run, &args.configs, &args.sets, extensions)?;
    let reward = new.reward.build_with(&extensions.rewards)?;
    let (old_recipe, new_recipe) = (
        old.algo.recipe(&extensions.algorithms)?,
        new.algo.recipe(&extensions.algorithms)?,
    );
    new_recipe.check_run(&RunFacts {
        samples_per_prompt: new.rollout.samples_per_prompt,
        max_new_tokens: new.rollout.sampling.max_new_tokens,
        reward_parts: reward.part_names(),
    })?;
    let mut rescorer = Rescorer {
        reward: &reward,
        on_unparsable_gold: new.reward.on_unparsable_gold,
        old: Judge::new(&old_recipe),
        new: Judge::new(&new_recipe),
        samples_per_prompt: old.rollout.samples_per_prompt,
    };
    let signs = rescorer.old.has_advantages() && rescorer.new.has_advantages();
    let mut out = Output::stdout();
    let mut rows = match &args.out {
        Some(path) => Some(Output::create(Some(path))?),
        None => None,
    };
    if !args.json {
        out.line(heading(signs))?;
    }
    let (mut total, mut first, mut any_context) = (StepChange::default(), None, false);
    for (step, file) in steps(&run)? {
        let records = read_rollouts(&file)?;
        any_context |= records.iter().any(|record| !record.context.is_null());
        let (change, changed) = rescorer.step(step, &records)?;
        if let Some(rows) = &mut rows {
            for row in &changed {
                rows.json(row)?;
            }
        }
        if change.differs() && first.is_none() {
            first = Some(step);
        }
        match args.json {
            true => out.json(&json_of(&json!(step), &change, signs))?,
            false => out.line(line_of(&step.to_string(), &change, signs))?,
        }
        total.add(&change);
    }
    match args.json {
        true => {
            let mut all = json_of(&json!("all"), &total, signs);
            all["first_step_that_differs"] = json!(first);
            out.json(&all)?;
        }
        false => {
            out.line(line_of("all", &total, signs))?;
            out.line(match first {
                Some(step) => format!("\nfirst step that differs: {step}"),
                None => "\nno step differs".to_owned(),
            })?;
        }
    }
    out.finish()?;
    if let Some(rows) = rows {
        rows.finish()?;
    }
    if !signs {
        say!("note: the algorithm's advantages read more than rewards, so none are compared");
    }
    if !any_context {
        say!(
            "note: this run was logged without what else its rewards could look at: sets, fields, \
             pictures and the end of prompts are not known"
        );
    }
    Ok(())
}

/// The run's configuration with files and settings on top.
fn resolve(
    run: &RunDir,
    configs: &[PathBuf],
    sets: &[String],
    extensions: &Extensions,
) -> Result<RunConfig> {
    let mut files = vec![run.config()];
    files.extend_from_slice(configs);
    let resolved = config::resolve(None, &files, sets, extensions)?;
    if !configs.is_empty() {
        resolved.tell();
    }
    Ok(resolved.run)
}

/// The run's rollout files by step.
fn steps(run: &RunDir) -> Result<Vec<(u64, PathBuf)>> {
    let steps = by_step(&run.rollouts_dir(), "jsonl")?;
    match steps.is_empty() {
        true => Err(InputError::new(format!(
            "--rollouts {}: no rollouts/step_*.jsonl in this run",
            run.root().display()
        ))
        .into()),
        false => Ok(steps),
    }
}

fn heading(signs: bool) -> String {
    let signs = if signs { "  sign changes" } else { "" };
    format!(
        "  step  completions  mean old  mean new  other rewards  groups  kept old  kept new{signs}"
    )
}

fn line_of(step: &str, change: &StepChange, signs: bool) -> String {
    let line = format!(
        "{step:>6}  {:>11}  {:>8.4}  {:>8.4}  {:>13}  {:>6}  {:>8}  {:>8}",
        change.completions,
        change.mean_old(),
        change.mean_new(),
        change.other_rewards,
        change.groups,
        change.kept_old,
        change.kept_new
    );
    match signs {
        true => format!("{line}  {:>12}", change.sign_changes),
        false => line,
    }
}

fn json_of(step: &Value, change: &StepChange, signs: bool) -> Value {
    json!({
        "step": step,
        "completions": change.completions,
        "mean_old": change.mean_old(),
        "mean_new": change.mean_new(),
        "other_rewards": change.other_rewards,
        "groups": change.groups,
        "kept_old": change.kept_old,
        "kept_new": change.kept_new,
        "other_filters": change.other_filters,
        "unusable": change.unusable,
        "sign_changes": signs.then_some(change.sign_changes),
    })
}
