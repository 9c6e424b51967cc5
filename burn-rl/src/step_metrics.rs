//! The numbers of a step that come from its completions.

use crate::{
    filter::is_zero_variance,
    metrics::Metrics,
    types::{Group, Rollout},
};
use burn_vlm::generate::FinishReason;

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), v| (sum + v, n + 1.0));
    sum / n
}

/// Rewards and lengths of all completions, kept or not.
pub fn of_rollouts(groups: &[Group], metrics: &mut Metrics) {
    let rollouts = || groups.iter().flat_map(|g| &g.rollouts);
    let reward = || rollouts().map(|r| r.reward.value);
    let centre = mean(reward());
    metrics.set("reward/mean", centre);
    metrics.set(
        "reward/std",
        mean(reward().map(|r| (r - centre).powi(2))).sqrt(),
    );
    let parts = rollouts()
        .next()
        .map(|r| r.reward.parts.clone())
        .unwrap_or_default();
    for (name, _) in parts {
        let values = rollouts().filter_map(|r| r.reward.part(&name));
        metrics.set(format!("reward/{name}"), mean(values));
    }
    let flat = groups
        .iter()
        .filter(|g| is_zero_variance(&g.samples()))
        .count();
    metrics.set("reward/zero_std_groups", flat as f64 / groups.len() as f64);
}

/// Lengths of all completions.
pub fn of_lengths(groups: &[Group], metrics: &mut Metrics) {
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

/// Most memory this process ever held, in bytes; none where the system does not say.
pub fn peak_memory_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}
