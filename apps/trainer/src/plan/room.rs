//! Whether a run fits, and what would make it fit.

use super::Plan;
use crate::input_error::InputError;
use burn_rl::config::RunConfig;
use burn_vlm::tape::ActivationRecompute;
use std::{fs, process::Command};

/// Rank of an adapter that is proposed.
const RANK: usize = 16;

/// Refuses a run that needs more than `room` bytes, with the settings that would make it fit;
/// `plan` plans it with others.
///
/// # Errors
/// It does not fit.
pub fn check(
    config: &RunConfig,
    room: f64,
    plan: impl Fn(&RunConfig) -> Option<Plan>,
) -> Result<(), InputError> {
    let Some(wanted) = plan(config).map(|p| p.memory.peak()).filter(|p| *p > room) else {
        return Ok(());
    };
    let gib = |bytes: f64| bytes / f64::from(1 << 30);
    let (wanted, free) = (gib(wanted), gib(room));
    let message =
        format!("the run is predicted to hold {wanted:.1} GiB, but only {free:.1} GiB are free");
    let advice = match settings_that_fit(config, room, plan) {
        Some(sets) => format!("it would fit with {}", sets.join(" ")),
        None => "no smaller batch and no adapter makes it fit: expected a smaller model, shorter \
                 sequences or another device"
            .into(),
    };
    Err(InputError::new(format!(
        "{message}; {advice} (--ignore-memory starts it all the same)"
    )))
}

/// Settings that make a run fit: what costs nothing but time first.
fn settings_that_fit(
    config: &RunConfig,
    room: f64,
    plan: impl Fn(&RunConfig) -> Option<Plan>,
) -> Option<Vec<String>> {
    let mut smaller = config.clone();
    loop {
        let memory = plan(&smaller)?.memory;
        if memory.peak() <= room {
            return Some(changes(config, &smaller));
        }
        let fullest = memory.rollout.max(memory.score).max(memory.update);
        let train = &mut smaller.train;
        if memory.rollout == fullest && smaller.rollout.max_batch > 1 {
            smaller.rollout.max_batch = smaller.rollout.max_batch.div_ceil(2);
        } else if train.activation_recompute == ActivationRecompute::None {
            train.activation_recompute = ActivationRecompute::Block;
        } else if train.micro_batch > 1 {
            train.micro_batch = train.micro_batch.div_ceil(2);
        } else if !smaller.lora.is_on() {
            // Small batches were not enough: they may be large again beside an adapter.
            smaller = config.clone();
            smaller.model.freeze.clear();
            smaller.lora.rank = RANK;
        } else {
            return None;
        }
    }
}

/// The settings of `to` that differ from those of `from`, as `--set` takes them.
fn changes(from: &RunConfig, to: &RunConfig) -> Vec<String> {
    let mut sets = vec![];
    let mut add = |differs: bool, text: String| {
        if differs {
            sets.push(format!("--set {text}"));
        }
    };
    add(
        from.lora.rank != to.lora.rank,
        format!("lora.rank={}", to.lora.rank),
    );
    add(
        from.model.freeze != to.model.freeze,
        "model.freeze=[]".into(),
    );
    let (a, b) = (&from.train, &to.train);
    add(
        a.activation_recompute != b.activation_recompute,
        "train.activation_recompute=block".into(),
    );
    add(
        a.micro_batch != b.micro_batch,
        format!("train.micro_batch={}", b.micro_batch),
    );
    let (a, b) = (from.rollout.max_batch, to.rollout.max_batch);
    add(a != b, format!("rollout.max_batch={b}"));
    sets
}

/// Bytes that are free on the device called `name`, the least of several; none where nothing says
/// how many.
pub fn free_bytes(name: &str) -> Option<f64> {
    let Some((_, index)) = name.split_once("cuda") else {
        return free_host_bytes();
    };
    let index = index.strip_prefix(':').unwrap_or("0");
    let asked = [
        "--query-gpu=memory.free",
        "--format=csv,noheader,nounits",
        "-i",
        index,
    ];
    let answer = Command::new("nvidia-smi").args(asked).output().ok()?;
    let free = String::from_utf8(answer.stdout).ok()?;
    let mebibytes = free.lines().map(|line| line.trim().parse::<f64>().ok());
    let mebibytes: Vec<f64> = mebibytes.collect::<Option<_>>()?;
    let least = mebibytes.into_iter().reduce(f64::min)?;
    Some(least * f64::from(1 << 20))
}

/// Bytes that the host has free for this process; none where it does not say.
fn free_host_bytes() -> Option<f64> {
    let file = fs::read_to_string("/proc/meminfo").ok()?;
    let line = file
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    let available = kilobytes * 1024.0;
    let limit = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<f64>().ok();
    let left = limit("/sys/fs/cgroup/memory.max")
        .zip(limit("/sys/fs/cgroup/memory.current"))
        .map(|(max, current)| max - current);
    Some(left.map_or(available, |left| left.min(available)))
}
