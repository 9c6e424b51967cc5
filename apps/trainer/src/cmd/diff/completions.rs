//! The first completion that differs, of training and of evaluations.

use super::{Compared, Parting};
use anyhow::Result;
use burn_rl::run_dir::{RunDir, by_step};
use run_log::{
    files::list,
    rollout_log::{RolloutRecord, read_rollouts},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

pub fn compare(a: &RunDir, b: &RunDir) -> Result<Compared> {
    let mut compared = compare_in(&a.rollouts_dir(), &b.rollouts_dir(), "")?;
    let mut sets = BTreeSet::new();
    for run in [a, b] {
        let dirs = list(&run.eval_dir())?.into_iter();
        let dirs = dirs.filter(|dir| dir.is_dir());
        sets.extend(dirs.filter_map(|dir| Some(dir.file_name()?.to_owned())));
    }
    for set in sets {
        let dirs = [a, b].map(|run| run.eval_dir().join(&set));
        let said = format!("evaluation {}, ", set.to_string_lossy());
        compared = compared.and(compare_in(&dirs[0], &dirs[1], &said)?);
    }
    Ok(compared)
}

fn compare_in(a: &Path, b: &Path, set: &str) -> Result<Compared> {
    let (a, b) = (by_step(a, "jsonl")?, by_step(b, "jsonl")?);
    let mut compared = Compared::of_steps(&a, &b);
    let others: BTreeMap<u64, PathBuf> = b.into_iter().collect();
    for (step, file) in a {
        let Some(other) = others.get(&step) else {
            continue;
        };
        if let Some(found) = difference(&read_rollouts(&file)?, &read_rollouts(other)?) {
            let said = format!("{set}{found}");
            compared.first = Some(Parting { step, said });
            break;
        }
    }
    Ok(compared)
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
