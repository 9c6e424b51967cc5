//! The numbers of a step that come from its completions.

use crate::{
    filter::{Verdict, is_zero_variance},
    metrics::Metrics,
    recipe::{CompletionSource, Recipe},
    rollout::Collected,
    types::{Group, Rollout},
};
use burn_vlm::generate::FinishReason;
use std::collections::BTreeSet;

/// Everything that the sampling of a step tells.
pub fn of_collected(found: &Collected, recipe: &Recipe, metrics: &mut Metrics) {
    let groups: Vec<&Group> = found.sampled.iter().map(|s| &s.group).collect();
    if recipe.source() == CompletionSource::Policy {
        of_rewards(&groups, metrics);
        if !found.greedy_rewards.is_empty() {
            let greedy = found.greedy_rewards.iter().copied();
            metrics.set("reward/greedy", mean(greedy));
        }
        if found.restarts > 0 {
            metrics.set("reward/restarts", found.restarts as f64);
        }
        of_filters(found, metrics);
    }
    of_lengths(&groups, metrics);
}

/// Tokens a second of each phase that had any: its name, tokens and seconds.
pub fn of_rates(phases: &[(&str, usize, f64)], metrics: &mut Metrics) {
    for (phase, tokens, seconds) in phases.iter().filter(|(_, tokens, _)| *tokens > 0) {
        let name = format!("throughput/{phase}_tokens_per_s");
        metrics.set(name, *tokens as f64 / seconds);
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), v| (sum + v, n + 1.0));
    sum / n
}

/// Rewards and lengths of all completions, kept or not.
fn of_rewards(groups: &[&Group], metrics: &mut Metrics) {
    let rollouts = || groups.iter().flat_map(|g| &g.rollouts);
    let reward = || rollouts().map(|r| r.reward.value);
    let centre = mean(reward());
    metrics.set("reward/mean", centre);
    metrics.set(
        "reward/std",
        mean(reward().map(|r| (r - centre).powi(2))).sqrt(),
    );
    // Means over the completions that have the part: not all rows are judged by all.
    let parts = rollouts().flat_map(|r| &r.reward.parts);
    let names: BTreeSet<&str> = parts.map(|(name, _)| name.as_str()).collect();
    for name in names {
        let values = rollouts().filter_map(|r| r.reward.part(name));
        metrics.set(format!("reward/{name}"), mean(values));
    }
    let flat = groups
        .iter()
        .filter(|g| is_zero_variance(&g.samples()))
        .count();
    metrics.set("reward/zero_std_groups", flat as f64 / groups.len() as f64);
}

/// How many groups the update has, and what became of the others.
fn of_filters(found: &Collected, metrics: &mut Metrics) {
    metrics.set("filter/kept", found.groups.len() as f64);
    let mut add = |name: String, n: usize| {
        let before = metrics.get(&name).unwrap_or(0.0);
        metrics.set(name, before + n as f64);
    };
    for sampled in &found.sampled {
        match &sampled.verdict {
            Verdict::Keep => {}
            Verdict::Drop(reason) => add(format!("filter/dropped/{reason}"), 1),
            Verdict::Mask(reason, indices) => add(format!("filter/masked/{reason}"), indices.len()),
        }
    }
    if let Some((reason, n)) = found.thrown_away {
        add(format!("filter/dropped/{reason}"), n);
    }
    if let Some(waiting) = found.waiting {
        metrics.set("filter/rounds", found.rounds as f64);
        metrics.set("filter/waiting", waiting as f64);
    }
    let of_kept = found
        .groups
        .iter()
        .filter_map(|l| {
            let parts = l.samples.iter().map(|s| s.parts.get("accuracy").copied());
            parts.collect::<Option<Vec<f64>>>()
        })
        .map(|parts| mean(parts.into_iter()));
    let accuracies: Vec<f64> = of_kept.collect();
    if accuracies.len() < found.sampled.len() && !accuracies.is_empty() {
        let count = |f: fn(f64) -> bool| accuracies.iter().filter(|a| f(**a)).count() as f64;
        metrics.set("filter/accuracy_kept", mean(accuracies.iter().copied()));
        metrics.set("filter/hard", count(|a| a <= 0.0));
        metrics.set("filter/mid", count(|a| 0.0 < a && a < 1.0));
        metrics.set("filter/easy", count(|a| a >= 1.0));
    }
}

/// Lengths of all completions.
fn of_lengths(groups: &[&Group], metrics: &mut Metrics) {
    let rollouts = || groups.iter().flat_map(|g| &g.rollouts);
    let tokens = |r: &Rollout| r.tokens.len() as f64;
    metrics.set("response/tokens", mean(rollouts().map(tokens)));
    let cut = |r: &Rollout| f64::from(u8::from(r.finish == FinishReason::Length));
    metrics.set("response/truncated", mean(rollouts().map(cut)));
    for (name, verdict) in [("correct", true), ("wrong", false)] {
        let judged = rollouts().filter(|r| r.reward.correct == Some(verdict));
        if judged.clone().next().is_some() {
            metrics.set(format!("response/tokens_{name}"), mean(judged.map(tokens)));
        }
    }
}
