//! Whether a run fits, and what would make it fit.

use super::{Plan, host_memory};
use crate::{command_line::quoted, device, devices, input_error::InputError};
use burn_rl::config::RunConfig;
use burn_vlm::tape::ActivationRecompute;
use std::{env, process::Command};

/// Rank of an adapter that is proposed.
const RANK: usize = 16;

/// Refuses a run that needs more than `free_memory` bytes, with the settings that would make it
/// fit; `plan` plans it with others.
///
/// # Errors
/// It does not fit.
pub fn check(
    config: &RunConfig,
    free_memory: f64,
    plan: impl Fn(&RunConfig) -> Option<Plan>,
) -> Result<(), InputError> {
    let Some(wanted) = plan(config)
        .map(|p| p.memory.peak())
        .filter(|p| *p > free_memory)
    else {
        return Ok(());
    };
    let gib = |bytes: f64| bytes / f64::from(1 << 30);
    let (wanted, free) = (gib(wanted), gib(free_memory));
    let message =
        format!("the run is predicted to hold {wanted:.1} GiB, but only {free:.1} GiB are free");
    let advice = match settings_that_fit(config, free_memory, plan) {
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
    free_memory: f64,
    plan: impl Fn(&RunConfig) -> Option<Plan>,
) -> Option<Vec<String>> {
    let mut smaller = config.clone();
    loop {
        let memory = plan(&smaller)?.memory;
        if memory.peak() <= free_memory {
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
            sets.push(format!("--set {}", quoted(text.as_ref())));
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

/// Bytes that are free on the devices that `--device` names, the least of several; none where
/// nothing says how many.
pub fn free_bytes(names: &str) -> Option<f64> {
    let names = devices::names(names).ok()?;
    let gpus: Vec<usize> = names.iter().filter_map(|name| device::gpu(name)).collect();
    if gpus.is_empty() {
        return host_memory::free_bytes();
    }
    let asked = [
        "--query-gpu=index,uuid,memory.free",
        "--format=csv,noheader,nounits",
    ];
    let answer = Command::new("nvidia-smi").args(asked).output().ok()?;
    let table = String::from_utf8(answer.stdout).ok()?;
    let visible = env::var("CUDA_VISIBLE_DEVICES").ok();
    free_of(&gpus, visible.as_deref(), &table)
}

/// The least that is free on `gpus`, as the process numbers them: `visible` says which of the
/// machine's they are, by number or by the beginning of an id. `table` has number, id and free MiB
/// of all of them. Numbers are taken to be in the order of the bus, as where GPUs are alike or
/// CUDA_DEVICE_ORDER is PCI_BUS_ID.
fn free_of(gpus: &[usize], visible: Option<&str>, table: &str) -> Option<f64> {
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split(',').map(str::trim).collect())
        .collect();
    let free = |gpu: &usize| {
        let number = gpu.to_string();
        let name = match visible {
            Some(list) => list.split(',').nth(*gpu)?.trim(),
            None => &number,
        };
        let is_named = |row: &&Vec<&str>| {
            let [number, id, _] = row.as_slice() else {
                return false;
            };
            *number == name || name.starts_with("GPU-") && id.starts_with(name)
        };
        let mebibytes: f64 = rows.iter().find(is_named)?[2].parse().ok()?;
        Some(mebibytes * f64::from(1 << 20))
    };
    let found = gpus.iter().map(free).collect::<Option<Vec<f64>>>()?;
    found.into_iter().reduce(f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_looked_up_on_the_gpus_that_are_seen() {
        let table = "0, GPU-aa11, 1000\n1, GPU-ab22, 2000\n2, GPU-cc33, 3000\n";
        let free = |names: &str, visible| {
            let names = devices::names(names).unwrap();
            let gpus: Vec<usize> = names.iter().filter_map(|n| device::gpu(n)).collect();
            free_of(&gpus, visible, table).map(|bytes| bytes / f64::from(1 << 20))
        };
        assert_eq!(free("cuda:1", None), Some(2000.0));
        assert_eq!(free("cuda:2,cuda:1", None), Some(2000.0));
        assert_eq!(free("cuda:2,1", None), Some(2000.0));
        assert_eq!(free("tch:cuda:2", None), Some(3000.0));
        assert_eq!(free("cuda", None), Some(1000.0));
        assert_eq!(free("cuda:0", Some("2,1")), Some(3000.0));
        assert_eq!(free("cuda:0,1", Some("2, GPU-ab")), Some(2000.0));
        // What is not seen or not listed has no free memory that is known.
        assert_eq!(free("cuda:2", Some("2,1")), None);
        assert_eq!(free("cuda:0", Some("")), None);
        assert_eq!(free("cuda:0", Some("MIG-77")), None);
        assert_eq!(free_of(&[0], None, "no driver"), None);
    }
}
