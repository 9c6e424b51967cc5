//! A crate that only uses what is public has the whole command line with its own parts in it.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

fn outside(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_outside"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

#[track_caller]
fn printed(args: &[&str]) -> String {
    let done = outside(args);
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{args:?}: {told}");
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn the_crate_is_short() {
    let main = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/main.rs");
    let lines = fs::read_to_string(main).unwrap().lines().count();
    assert!(lines <= 40, "{lines} lines");
}

#[test]
fn both_are_listed() {
    for (command, name) in [("algos", "sign"), ("rewards", "brief")] {
        let list = printed(&[command]);
        let found = list.lines().any(|l| l.split(' ').next() == Some(name));
        assert!(found, "{list}");
    }
}

#[test]
fn the_algorithm_runs_on_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let batch = dir.path().join("batch.json");
    let text = r#"{"groups": [{"rollouts": [
        {"reward": 3.0, "logp": [-1.0, -2.0]}, {"reward": 1.0, "logp": [-3.0]}]}]}"#;
    fs::write(&batch, text).unwrap();
    let batch = batch.to_str().unwrap();
    let found = printed(&[
        "algos",
        "sign",
        "--apply",
        batch,
        "--set",
        "reduction=token_mean",
    ]);
    let found: Value = serde_json::from_str(&found).unwrap();
    // Signs +1 and −1, mean over three tokens: −(−1 − 2)/3 + (−3)/3 = 0.
    assert!(found["loss"].as_f64().unwrap().abs() < 1e-6, "{found}");
    let slopes: Vec<f64> = found["d_logp"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(numbers)
        .collect();
    let expected = [-1.0 / 3.0, -1.0 / 3.0, 1.0 / 3.0];
    assert_eq!(slopes.len(), 3);
    for (a, b) in slopes.iter().zip(expected) {
        assert!((a - b).abs() < 1e-6, "{found}");
    }
}

/// The numbers in a ragged list, in order.
fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        other => vec![other.as_f64().unwrap()],
    }
}

#[test]
fn both_train_and_are_logged() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    printed(&["train", "outside.toml", "--run-dir", run.to_str().unwrap()]);
    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    assert!(
        config.contains("name = \"sign\"") && config.contains("bytes = 60"),
        "{config}"
    );
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let steps: Vec<Value> = metrics
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let steps: Vec<&Value> = steps.iter().filter(|step| step["step"] != 0).collect();
    assert_eq!(steps.len(), 2);
    for step in steps {
        let part = |name: &str| step[format!("reward/{name}")].as_f64().unwrap();
        assert!(
            (part("accuracy") + part("brief") - part("mean")).abs() < 1e-6,
            "{step}"
        );
        assert!(step["optim/grad_norm"].as_f64().unwrap() > 0.0, "{step}");
    }
    // Each completion earned what the rule says.
    for step in ["rollouts/step_000001.jsonl", "rollouts/step_000002.jsonl"] {
        for line in fs::read_to_string(run.join(step)).unwrap().lines() {
            let sample: Value = serde_json::from_str(line).unwrap();
            let brief = sample["response"].as_str().unwrap().len() <= 60;
            assert_eq!(sample["parts"]["brief"], f64::from(brief), "{sample}");
        }
    }
}

#[test]
fn their_options_are_checked_like_all_others() {
    let done = outside(&[
        "train",
        "outside.toml",
        "--dry-run",
        "--set",
        "algo.limit=1",
    ]);
    let told = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(2), "{told}");
    assert!(told.contains("`algo.limit`"), "{told}");
}
