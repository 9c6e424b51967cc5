//! Faults in the middle of a run: what was learned is kept, and once the fault is mended the run ends
//! as one that never had it.

use crate::common::{UNEVEN, World, files_below, stderr, tiny};
use std::{collections::BTreeMap, fs, path::PathBuf};

/// Four steps of eight completions each, and the run without a fault in `straight`.
fn world(more: &str) -> World {
    let world = World::new();
    world.write("tiny.toml", world.read("tiny.toml") + UNEVEN + more);
    world.text(&train("straight"));
    let lines = tiny::reproducible_metrics(&world.path("straight"));
    let learned = |line: &serde_json::Value| line["optim/grad_norm"].as_f64() > Some(0.0);
    assert!(lines.iter().filter(|line| line["step"] != 0).all(learned));
    world
}

fn train(run: &str) -> [&str; 6] {
    ["train", "tiny.toml", "--run-dir", run, "--steps", "4"]
}

/// Lets the reward program do `what` when the first completion of step 2 is asked about.
fn at_step_2(world: &World, what: &str) {
    let script = format!("n=$((n + 1))\nif [ $n = 9 ]; then rm fault.sh; {what}; fi\n");
    world.write("fault.sh", script);
}

/// The message of the run in `run`, which ends with `status`.
#[track_caller]
fn fails(world: &World, status: i32) -> String {
    let output = world.run(&train("run"));
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(status), "{message}");
    message
}

#[track_caller]
fn continues_as_if_nothing_had_been(world: &World) {
    world.text(&["train", "--run-dir", "run", "--resume"]);
    let [run, straight] = ["run", "straight"].map(|name| world.path(name));
    assert_eq!(
        tiny::reproducible_metrics(&run),
        tiny::reproducible_metrics(&straight)
    );
    let last =
        |run: &PathBuf| -> BTreeMap<_, _> { files_below(&run.join("checkpoints/step_000004")) };
    assert!(last(&run) == last(&straight), "the last checkpoints differ");
}

#[test]
fn a_picture_that_vanishes() {
    let world = world("");
    at_step_2(&world, "mv data/images/train-000002.png gone.png");
    let message = fails(&world, 2);
    assert!(
        message.contains("data/train.jsonl:3") && message.contains("train-000002.png"),
        "{message}"
    );
    // Refused as long as it is gone, with nothing lost.
    let refused = world.run(&["train", "--run-dir", "run", "--resume"]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    fs::rename(
        world.path("gone.png"),
        world.path("data/images/train-000002.png"),
    )
    .unwrap();
    continues_as_if_nothing_had_been(&world);
}

#[test]
fn a_reward_program_that_goes_away() {
    let world = world("options.restarts = 0\n");
    at_step_2(&world, "echo 'no server' >&2; exit 3");
    let message = fails(&world, 1);
    assert!(message.contains("no server"), "{message}");
    continues_as_if_nothing_had_been(&world);
}

#[test]
fn a_checkpoint_that_cannot_be_written() {
    let world = world("[checkpoint]\nevery = 1\n");
    at_step_2(&world, "mv run/checkpoints away; : > run/checkpoints");
    let message = fails(&world, 2);
    assert!(message.contains("run/checkpoints/step_000002"), "{message}");
    let refused = world.run(&["train", "--run-dir", "run", "--resume"]);
    assert_ne!(refused.status.code(), Some(0));
    fs::remove_file(world.path("run/checkpoints")).unwrap();
    fs::rename(world.path("away"), world.path("run/checkpoints")).unwrap();
    continues_as_if_nothing_had_been(&world);
}

#[test]
fn steps_that_other_settings_replace_are_kept() {
    let world = world("[checkpoint]\nevery = 2\n");
    at_step_2(&world, "kill -9 $PPID");
    // Killed in step 2, before any checkpoint: step 1 is written and will be made again.
    let output = world.run(&train("run"));
    assert_eq!(output.status.code(), None);
    let first = world.read("run/rollouts/step_000001.jsonl");
    let lower = [
        "train",
        "--run-dir",
        "run",
        "--resume",
        "--set",
        "optim.lr=1e-4",
    ];
    let message = stderr(&world.run(&lower));
    assert!(
        message.contains("kept in run/superseded/step_000000"),
        "{message}"
    );
    assert_eq!(
        world.read("run/superseded/step_000000/rollouts/step_000001.jsonl"),
        first
    );
    // With the settings it has, everything can be made again.
    world.text(&["train", "--run-dir", "run", "--resume", "--steps", "5"]);
    assert!(!world.path("run/superseded/step_000004").exists());
}

#[test]
fn a_second_run_on_the_same_directory() {
    let world = world("");
    // Asked while the first is at work, and refused without touching anything.
    let second = "\"$TRAINER\" train --run-dir run --resume 2> second.txt; echo $? >> second.txt";
    at_step_2(&world, second);
    let trainer = env!("CARGO_BIN_EXE_trainer");
    let output = world
        .command(&train("run"))
        .env("TRAINER", trainer)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let said = world.read("second.txt");
    assert!(
        said.contains("another process is writing this run") && said.ends_with("2\n"),
        "{said}"
    );
    let [run, straight] = ["run", "straight"].map(|name| world.path(name));
    assert_eq!(
        tiny::reproducible_metrics(&run),
        tiny::reproducible_metrics(&straight)
    );
}

/// Whatever befell the newest checkpoint, the run goes on from the one before it, says so, and ends
/// as if nothing had been.
#[test]
fn a_newest_checkpoint_that_is_not_whole() {
    let world = world("[checkpoint]\nevery = 1\nkeep = 4\n");
    let newest = "run/checkpoints/step_000003";
    let at = |name: &str| world.path(&format!("{newest}/{name}"));
    let damages: [(&str, &dyn Fn()); 6] = [
        ("the checkpoint is missing", &|| {
            fs::remove_dir_all(world.path(newest)).unwrap()
        }),
        ("checksums.json: No such file", &|| {
            fs::remove_file(at("checksums.json")).unwrap()
        }),
        ("model.safetensors is not in checksums.json", &|| {
            fs::write(at("checksums.json"), "{}").unwrap()
        }),
        ("model.safetensors: No such file", &|| {
            fs::remove_file(at("model.safetensors")).unwrap()
        }),
        ("config.json: No such file", &|| {
            fs::remove_file(at("config.json")).unwrap()
        }),
        ("trainer_state.json", &|| {
            fs::remove_file(at("trainer_state.json")).unwrap()
        }),
    ];
    for (said, damage) in damages {
        world.text(&["train", "tiny.toml", "--run-dir", "run", "--steps", "3"]);
        damage();
        let resumed = world.run(&["train", "--run-dir", "run", "--resume", "--steps", "4"]);
        let message = stderr(&resumed);
        assert_eq!(resumed.status.code(), Some(0), "{said}: {message}");
        let found = format!("warning: step 2: {newest}: {said}");
        assert!(message.contains(&found), "{said}: {message}");
        continues_as_if_nothing_had_been(&world);
        fs::remove_dir_all(world.path("run")).unwrap();
    }
}

#[test]
fn numbers_that_are_lost_are_said() {
    let world = world("[checkpoint]\nevery = 1\n");
    world.text(&["train", "tiny.toml", "--run-dir", "run", "--steps", "3"]);
    let metrics = world.read("run/metrics.jsonl");
    let resume = || {
        let resumed = world.run(&["train", "--run-dir", "run", "--resume", "--steps", "4"]);
        assert_eq!(resumed.status.code(), Some(0), "{}", stderr(&resumed));
        stderr(&resumed)
    };
    let without = |step: &str| {
        let kept = metrics.lines().filter(|line| !line.contains(step));
        kept.collect::<Vec<_>>().join("\n") + "\n"
    };
    world.write("run/metrics.jsonl", without("\"step\":2,"));
    let message = resume();
    assert!(message.contains("no numbers of step 2, which"), "{message}");
    fs::remove_dir_all(world.path("run")).unwrap();
    world.text(&["train", "tiny.toml", "--run-dir", "run", "--steps", "3"]);
    fs::remove_file(world.path("run/metrics.jsonl")).unwrap();
    let message = resume();
    assert!(
        message.contains("no numbers of steps 1 to 3, which"),
        "{message}"
    );
}
