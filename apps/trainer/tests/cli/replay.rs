//! Where two runs part, and a step made again.

use crate::common::{UNEVEN, World, stderr, tiny};
use std::{fs, path::Path, process::Output};

const EVERY: [&str; 4] = ["--set", "checkpoint.every=1", "--set", "checkpoint.keep=9"];

/// A run of four steps in `run`, which learns from rewards that differ.
fn world() -> World {
    let world = World::new();
    world.write("tiny.toml", world.read("tiny.toml") + UNEVEN);
    let args = ["train", "tiny.toml", "--run-dir", "run", "--steps", "4"];
    world.text(&[&args[..], &EVERY].concat());
    let lines = tiny::reproducible_metrics(&world.path("run"));
    let moved = |line: &serde_json::Value| line["optim/grad_norm"].as_f64() > Some(0.0);
    assert!(lines.iter().filter(|line| line["step"] != 0).all(moved));
    world
}

fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp")
        .arg("-r")
        .args([from, to])
        .status();
    assert!(status.unwrap().success());
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), text + &stderr(output))
}

/// Rewrites the file of a run by `change`.
fn edit(path: &Path, change: impl FnOnce(&mut Vec<serde_json::Value>)) {
    let mut rows = tiny::read_rows(path);
    change(&mut rows);
    tiny::write_rows(path, &rows);
}

#[test]
fn runs_that_are_the_same_and_runs_that_part() {
    let world = world();
    let (run, other) = (world.path("run"), world.path("other"));
    copy(&run, &other);
    let (status, text) = said(&world.run(&["diff", "run", "other"]));
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("the runs are the same"), "{text}");
    for kind in ["completions  ", "numbers      ", "weights      "] {
        let same = format!("{kind}the same in 4 steps");
        assert!(text.contains(&same) || kind.starts_with('n'), "{text}");
    }

    // What a clock says is no difference.
    edit(&other.join("metrics.jsonl"), |lines| {
        lines[1]["time/step_s"] = 9.0.into()
    });
    assert_eq!(said(&world.run(&["diff", "run", "other"])).0, Some(0));
    // One number of step 3.
    edit(&other.join("metrics.jsonl"), |lines| {
        let line = lines.iter_mut().find(|line| line["step"] == 3).unwrap();
        line["response/tokens"] = 1.25.into();
    });
    let (status, text) = said(&world.run(&["diff", "run", "other"]));
    assert_eq!(status, Some(1), "{text}");
    assert!(
        text.contains("numbers      first at step 3: response/tokens: "),
        "{text}"
    );
    assert!(
        text.contains("the runs part at step 3, in their numbers"),
        "{text}"
    );
    // A tensor of step 2, by its last bit.
    let weights = other.join("checkpoints/step_000002/model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    let last = bytes.len() - 4;
    bytes[last] ^= 1;
    fs::write(&weights, bytes).unwrap();
    let (_, text) = said(&world.run(&["diff", "run", "other"]));
    let found = "weights      first at step 2: model.safetensors: 1 of ";
    assert!(
        text.contains(found) && text.contains("largest difference"),
        "{text}"
    );
    // A completion of step 1.
    edit(&other.join("rollouts/step_000001.jsonl"), |rows| {
        rows[3]["response"] = "x".into()
    });
    let (_, text) = said(&world.run(&["diff", "run", "other"]));
    assert!(
        text.contains("completions  first at step 1: row ") && text.contains("| \"x\""),
        "{text}"
    );
    assert!(
        text.contains("the runs part at step 1, in their completions"),
        "{text}"
    );
    // A setting.
    let config = fs::read_to_string(other.join("config.toml")).unwrap();
    fs::write(
        other.join("config.toml"),
        config.replace("lr = 0.001", "lr = 0.01"),
    )
    .unwrap();
    let (_, text) = said(&world.run(&["diff", "run", "other"]));
    assert!(
        text.contains("setting      optim.lr: 0.001 | 0.01"),
        "{text}"
    );
    assert_eq!(said(&world.run(&["diff", "run", "nowhere"])).0, Some(2));
}

/// A step is made again with the settings that it was made with, whatever the run went on with.
#[test]
fn settings_that_changed_on_the_way() {
    let world = world();
    let hotter = ["--steps", "6", "--set", "rollout.sampling.temperature=0.7"];
    world.text(&[&["train", "--run-dir", "run", "--resume"][..], &hotter].concat());
    let old = world.read("run/config_until_000004.toml");
    assert!(
        !old.contains("temperature = 0.7") && old.contains("steps = 4"),
        "{old}"
    );
    let replay = |step: &str| said(&world.run(&["replay", "--run", "run", "--step", step]));
    for step in ["3", "4", "5", "6"] {
        let (status, text) = replay(step);
        assert_eq!(status, Some(0), "step {step}: {text}");
    }
    for step in [4, 5] {
        fs::remove_dir_all(world.path(&format!("run/checkpoints/step_{step:06}"))).unwrap();
    }
    let (status, text) = replay("6");
    assert_eq!(status, Some(2), "{text}");
    let found = "but step 4 before it with those of run/config_until_000004.toml";
    assert!(text.contains(found), "{text}");
    assert_eq!(replay("4").0, Some(0));
}

/// What one run does not have is said, and is no reason to call runs the same.
#[test]
fn what_could_not_be_compared_is_said() {
    let world = world();
    let other = world.path("other");
    copy(&world.path("run"), &other);
    let compare = || said(&world.run(&["diff", "run", "other"]));
    // Only one was evaluated at its last step.
    edit(&other.join("metrics.jsonl"), |lines| {
        lines.last_mut().unwrap()["eval/late/pass@1"] = 0.5.into();
    });
    let (status, text) = compare();
    assert_eq!(status, Some(0), "{text}");
    assert!(
        text.contains("; only the second was evaluated at step 4"),
        "{text}"
    );
    // One is shorter.
    fs::remove_file(other.join("rollouts/step_000004.jsonl")).unwrap();
    let (status, text) = compare();
    assert_eq!(status, Some(0), "{text}");
    let found = "completions  the same in 3 steps; 1 step in the first alone";
    assert!(text.contains(found), "{text}");
    // One has no completions at all.
    fs::remove_dir_all(other.join("rollouts")).unwrap();
    let (status, text) = compare();
    assert_eq!(status, Some(1), "{text}");
    assert!(
        text.contains("completions  not compared: the second run has none"),
        "{text}"
    );
    assert!(
        text.contains("but their completions could not be compared"),
        "{text}"
    );
    fs::remove_file(other.join("metrics.jsonl")).unwrap();
    fs::remove_dir_all(other.join("checkpoints")).unwrap();
    let (status, text) = compare();
    assert_eq!(status, Some(1), "{text}");
    assert!(text.ends_with("nothing could be compared\n"), "{text}");
}

#[test]
fn a_step_made_again_is_the_same_to_the_bit() {
    let world = world();
    let before = world.files();
    let (status, text) = said(&world.run(&["replay", "--run", "run", "--step", "4"]));
    assert_eq!(status, Some(0), "{text}");
    assert!(
        text.contains("step 4: 8 completions, the same to the bit"),
        "{text}"
    );
    assert!(text.contains("checkpoints/step_000003"), "{text}");
    // From further back, where the checkpoints between are gone, and from the start.
    for step in [3, 2, 1] {
        fs::remove_dir_all(world.path(&format!("run/checkpoints/step_{step:06}"))).unwrap();
        let (status, text) = said(&world.run(&["replay", "--run", "run", "--step", "4"]));
        assert_eq!(status, Some(0), "{text}");
    }
    let (status, text) =
        said(&world.run(&["replay", "--run", "run", "--step", "2", "--sample", "3"]));
    assert_eq!(status, Some(0), "{text}");
    assert!(
        text.contains("--- the run") && text.contains("--- made again"),
        "{text}"
    );
    let kept = world.files();
    let same = |(path, bytes): (&std::path::PathBuf, &Vec<u8>)| before[path] == *bytes;
    assert!(kept.iter().all(same), "the run is left as it is");

    let path = world.path("run/rollouts/step_000002.jsonl");
    edit(&path, |rows| rows[5]["logprobs"][0] = (-0.125).into());
    let (status, text) = said(&world.run(&["replay", "--run", "run", "--step", "2"]));
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("logprobs of token 0"), "{text}");
    let (status, text) = said(&world.run(&["replay", "--run", "run", "--step", "9"]));
    assert_eq!(status, Some(2), "{text}");
    assert!(
        text.contains("there is no run/rollouts/step_000009.jsonl"),
        "{text}"
    );
}
