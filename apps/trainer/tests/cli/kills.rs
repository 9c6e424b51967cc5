//! Runs that are killed at random moments, again and again, end as one that never was.
//!
//! `KILLED_RUNS=1000 cargo test --release -p trainer --test cli kills -- --nocapture` is the long form.

use crate::common::{UNEVEN, World, files_below, stderr, tiny};
use burn_vlm::rng::{mix, uniform};
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

/// Runs without `KILLED_RUNS`.
const RUNS: u64 = 20;

/// Times that one run is killed before it is left in peace.
const KILLS: u64 = 3;

/// GRPO with a program that rewards, so that every step learns, and with groups that wait from step
/// to step: rollouts, rewards, updates and saves all take part of the time.
const CONFIG: &str = r#"
name = "killed"
seed = 5
model.path = "model"
data.train = "data/train.jsonl"
algo = { name = "grpo", beta = 0.05, drop_zero_variance = true }
filter = { short_batch = "refill_carry", rounds_per_step = 1 }
rollout = { prompts_per_step = 3, samples_per_prompt = 3, sampling = { max_new_tokens = 6 } }
train = { steps = 5, mini_batches = 1, micro_batch = 4, average_decay = 0.5 }
optim = { lr = 1e-3, warmup_steps = 2 }
checkpoint = { every = 1, keep = 2 }
"#;

fn world() -> World {
    let world = World::new();
    world.write("killed.toml", [CONFIG, UNEVEN].concat());
    world
}

/// Everything of a run that must be the same: its numbers, completions, checkpoints.
fn outcome(run: &Path) -> (Vec<serde_json::Value>, BTreeMap<PathBuf, Vec<u8>>) {
    let mut files = BTreeMap::new();
    for dir in ["rollouts", "checkpoints"] {
        let found = files_below(&run.join(dir)).into_iter();
        files.extend(found.map(|(path, bytes)| (Path::new(dir).join(path), bytes)));
    }
    (tiny::reproducible_metrics(run), files)
}

/// What a person does with the run as it was left behind: continues it, or starts it where it had
/// not begun.
fn arguments<'a>(world: &World, run: &'a str) -> Vec<&'a str> {
    match world.path(run).join("config.toml").exists() {
        true => vec!["train", "--run-dir", run, "--resume"],
        false => {
            let _ = fs::remove_dir_all(world.path(run));
            vec!["train", "killed.toml", "--run-dir", run]
        }
    }
}

#[test]
fn killed_runs_end_as_one_that_was_not() {
    let runs = env::var("KILLED_RUNS").map_or(RUNS, |n| n.parse().unwrap());
    let world = world();
    let start = Instant::now();
    world.text(&["train", "killed.toml", "--run-dir", "straight"]);
    let whole = start.elapsed().as_secs_f64();
    let expected = outcome(&world.path("straight"));
    assert_eq!(expected.0.len(), 5, "five steps without an evaluation");
    let learned = |line: &serde_json::Value| line["optim/grad_norm"].as_f64() > Some(0.0);
    assert!(expected.0.iter().any(learned), "the steps learn something");

    let (mut killed, mut phases) = (0, BTreeMap::<usize, u32>::new());
    for run in 0..runs {
        let name = "run";
        for kill in 0..KILLS {
            let mut child = world
                .command(&arguments(&world, name))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let share = uniform(mix(mix(0xdead, run), kill));
            let after = Duration::from_secs_f64(0.7 * whole * share);
            let begun = Instant::now();
            while begun.elapsed() < after && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            killed += u32::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
            let metrics = world.path(name).join("metrics.jsonl");
            let done = fs::read_to_string(metrics).map_or(0, |text| text.lines().count());
            *phases.entry(done).or_default() += 1;
        }
        let output = world.run(&arguments(&world, name));
        assert!(output.status.success(), "run {run}: {}", stderr(&output));
        let found = outcome(&world.path(name));
        for (found, expected) in found.0.iter().zip(&expected.0) {
            for (name, value) in expected.as_object().unwrap() {
                assert_eq!(
                    found[name], *value,
                    "run {run}, {}: {name}",
                    expected["step"]
                );
            }
        }
        assert_eq!(found.0, expected.0, "run {run}");
        let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found.1), names(&expected.1), "run {run}");
        for (path, bytes) in &expected.1 {
            assert!(found.1[path] == *bytes, "run {run}: {}", path.display());
        }
        fs::remove_dir_all(world.path(name)).unwrap();
    }
    println!(
        "{runs} runs killed {killed} times, by steps done {phases:?}: all the same to the bit"
    );
}
