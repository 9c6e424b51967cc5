//! The first completion that differs, of training and of evaluations.

use super::Parting;
use anyhow::Result;
use burn_rl::run_dir::{RunDir, by_step};
use run_log::{
    files::list,
    rollout_log::{RolloutRecord, read_rollouts},
};
use std::path::Path;

pub fn first(a: &RunDir, b: &RunDir) -> Result<Option<Parting>> {
    let mut dirs = vec![(a.rollouts_dir(), b.rollouts_dir(), String::new())];
    for dir in list(&a.eval_dir())?.into_iter().filter(|dir| dir.is_dir()) {
        let name = dir.file_name().unwrap_or_default().to_owned();
        let set = format!("evaluation {}, ", name.to_string_lossy());
        dirs.push((dir, b.eval_dir().join(name), set));
    }
    let mut first: Option<Parting> = None;
    for (a, b, set) in dirs {
        let found = first_in(&a, &b, &set)?;
        first = match (first, found) {
            (Some(one), Some(other)) if other.step < one.step => Some(other),
            (one, other) => one.or(other),
        };
    }
    Ok(first)
}

fn first_in(a: &Path, b: &Path, set: &str) -> Result<Option<Parting>> {
    for (step, file) in by_step(a, "jsonl")? {
        let other = b.join(file.file_name().unwrap_or_default());
        if !other.exists() {
            continue;
        }
        if let Some(found) = difference(&read_rollouts(&file)?, &read_rollouts(&other)?) {
            let said = format!("{set}{found}");
            return Ok(Some(Parting { step, said }));
        }
    }
    Ok(None)
}

/// What differs of completions that were to be the same: the first of them, with both values.
pub fn difference(a: &[RolloutRecord], b: &[RolloutRecord]) -> Option<String> {
    for (a, b) in a.iter().zip(b) {
        let named = |what: &str, a: &dyn std::fmt::Debug, b: &dyn std::fmt::Debug| {
            Some(format!("{what}: {a:?} | {b:?}"))
        };
        if (&a.prompt_id, a.draw) != (&b.prompt_id, b.draw) {
            let of = |x: &RolloutRecord| format!("{} draw {}", x.prompt_id, x.draw);
            return named("another row", &of(a), &of(b));
        }
        let at = format!("row {}, draw {}", a.prompt_id, a.draw);
        if a.response != b.response {
            return named(&format!("{at}, response"), &a.response, &b.response);
        }
        for (name, a, b) in [
            ("logprobs", &a.logprobs, &b.logprobs),
            (
                "behaviour_logprobs",
                &a.behaviour_logprobs,
                &b.behaviour_logprobs,
            ),
        ] {
            let bits = |x: Option<&f32>| x.map(|x| x.to_bits());
            let other = |i: &usize| bits(a.get(*i)) != bits(b.get(*i));
            if let Some(i) = (0..a.len().max(b.len())).find(other) {
                return named(&format!("{at}, {name} of token {i}"), &a.get(i), &b.get(i));
            }
        }
        if a.reward.to_bits() != b.reward.to_bits() {
            return named(&format!("{at}, reward"), &a.reward, &b.reward);
        }
        if a.finish_reason != b.finish_reason {
            return named(&format!("{at}, end"), &a.finish_reason, &b.finish_reason);
        }
    }
    (a.len() != b.len()).then(|| format!("completions: {} | {}", a.len(), b.len()))
}
