//! The commands that need no model, and statuses and streams.
#![allow(clippy::unwrap_used)] // Outside #[test] functions clippy sees no test.

use serde_json::Value;
use std::{
    fs,
    io::Read,
    process::{Command, Output, Stdio},
};

fn trainer() -> Command {
    Command::new(env!("CARGO_BIN_EXE_trainer"))
}

fn run(args: &[&str]) -> Output {
    trainer().args(args).output().unwrap()
}

#[track_caller]
fn text(args: &[&str]) -> String {
    let output = run(args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn refused(args: &[&str]) -> String {
    let output = run(args);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(output.stdout.is_empty());
    message
}

#[test]
fn a_printed_configuration_reads_back_as_itself() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    let first = text(&["config", "--set", "optim.lr=2e-5"]);
    assert!(
        first.contains("lr = 2e-5") || first.contains("lr = 0.00002"),
        "{first}"
    );
    fs::write(&path, &first).unwrap();
    assert_eq!(text(&["config", path.to_str().unwrap()]), first);
    let schema: Value = serde_json::from_str(&text(&["config", "--schema"])).unwrap();
    assert_eq!(
        schema["properties"]["optim"]["properties"]["lr"]["type"],
        "number"
    );
    let message = refused(&["config", "--set", "optim.lrr=1"]);
    assert!(message.contains("`optim.lr`"), "{message}");
}

#[test]
fn algorithms_are_listed_described_and_applied() {
    let listed = text(&["algos"]);
    assert!(
        listed
            .lines()
            .any(|line| line.starts_with("grpo ") && line.contains("arXiv:2402.03300"))
    );
    let all: Vec<Value> = serde_json::from_str(&text(&["algos", "--json"])).unwrap();
    assert!(
        all.iter()
            .any(|a| a["name"] == "grpo" && a["defaults"]["beta"] == 0.04)
    );
    assert!(text(&["algos", "grpo"]).contains("clip_high = 0.2"));
    let message = refused(&["algos", "gpro"]);
    assert!(message.contains("did you mean `grpo`?"), "{message}");

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("batch.json");
    let batch = r#"{"groups":[{"rollouts":[
        {"reward":1.0,"logp":[-0.5,-1.0],"sample_logp":[-0.5,-1.0]},
        {"reward":0.0,"logp":[-0.7],"sample_logp":[-0.7]}]}]}"#;
    fs::write(&path, batch).unwrap();
    let apply = ["algos", "grpo", "--apply", path.to_str().unwrap()];
    // Advantages without scale are ±0.5 and every token of the batch weighs a third.
    let options = [
        "--set",
        "beta=0",
        "--set",
        "scale=none",
        "--set",
        "algo.reduction=token_mean",
    ];
    let found: Value = serde_json::from_str(&text(&[&apply[..], &options].concat())).unwrap();
    let keys: Vec<&String> = found.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "advantages",
            "token_loss",
            "loss",
            "d_logp",
            "d_entropy",
            "d_values",
            "stats"
        ]
    );
    assert_eq!(
        found["advantages"],
        serde_json::json!([[[0.5, 0.5], [-0.5]]])
    );
    assert_eq!(
        found["token_loss"],
        serde_json::json!([[[-0.5, -0.5], [0.5]]])
    );
    assert!((found["d_logp"][0][0][1].as_f64().unwrap() + 0.5 / 3.0).abs() < 1e-7);
    assert!(found["d_values"].is_null());
    let message = refused(&apply);
    assert!(
        message.contains("groups[0].rollouts[0] has no `ref_logp`"),
        "{message}"
    );
    let message = refused(&[&apply[..], &["--set", "betta=1"]].concat());
    assert!(message.contains("`algo.beta`"), "{message}");
    refused(&["algos", "--apply", path.to_str().unwrap()]);
}

#[test]
fn every_algorithm_takes_an_awkward_batch() {
    // A group of one, a response masked whole, one without tokens, one cut off, log-probabilities
    // far apart, and rewards that are all the same.
    let batch = r#"{"reward_average": 0.5, "groups": [
        {"greedy_reward": 0.5, "rollouts": [{"reward": 1.0, "mask": [1, 0, 1],
            "logp": [-0.1, -9.0, -60.0], "old_logp": [-0.3, -1.0, -0.5],
            "ref_logp": [-90.0, -1.0, -0.1], "entropy": [0.1, 0.2, 0.3], "values": [0.1, 0.2, 0.3]}]},
        {"greedy_reward": 0.0, "rollouts": [
            {"reward": 1.0, "truncated": true, "mask": [0, 0], "logp": [-1.0, -2.0],
                "old_logp": [-1.0, -2.0], "ref_logp": [-1.0, -2.0], "entropy": [1.0, 1.0],
                "values": [0.5, 0.5]},
            {"reward": 1.0, "logp": [], "old_logp": [], "ref_logp": [], "entropy": [], "values": []},
            {"reward": 1.0, "logp": [-3.0], "old_logp": [-0.01], "ref_logp": [-3.0],
                "entropy": [0.0], "values": [0.9]}]}]}"#;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("batch.json");
    fs::write(&path, batch).unwrap();
    let names = text(&["algos"]);
    let names: Vec<&str> = names.lines().filter_map(|l| l.split(' ').next()).collect();
    assert!(names.len() >= 25, "{names:?}");
    for name in names {
        let found = text(&["algos", name, "--apply", path.to_str().unwrap()]);
        let found: Value = serde_json::from_str(&found).unwrap();
        assert!(found["loss"].is_f64(), "{name}: {found}");
        for key in [
            "advantages",
            "token_loss",
            "d_logp",
            "d_entropy",
            "d_values",
        ] {
            let lists = &found[key];
            if key == "d_values" && lists.is_null() {
                continue; // No critic.
            }
            for (g, r, tokens) in [(0, 0, 3), (1, 0, 2), (1, 1, 0), (1, 2, 1)] {
                let list = lists[g][r].as_array().unwrap();
                assert_eq!(list.len(), tokens, "{name} {key}: {found}");
                // A number that is not finite would be null.
                assert!(list.iter().all(Value::is_number), "{name} {key}: {found}");
            }
            if key.starts_with("d_") {
                let masked = [&lists[0][0][1], &lists[1][0][0], &lists[1][0][1]];
                assert!(
                    masked.iter().all(|n| n.as_f64() == Some(0.0)),
                    "{name} {key}: {found}"
                );
            }
        }
    }
}

#[test]
fn who_stops_reading_is_no_failure() {
    let mut child = trainer()
        .args(["config", "--schema"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut errors = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut errors)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{errors}");
    assert_eq!(errors, "");
}

#[test]
fn wrong_arguments_have_status_2() {
    for args in [
        &["generate", "--model", "x"][..],
        &["generate", "--model", "x", "--prompt", "a", "--data", "b"],
        &["generate", "--model", "x", "--prompt", "a", "-n", "0"],
        &["score", "--model", "x"],
        &["config", "--no-such"],
        &["generate", "--model", "no/such/dir", "--prompt", "a"],
        &["inspect", "--model", "no/such/dir"],
        &[
            "export",
            "--checkpoint",
            "no/such/dir",
            "--out",
            "no/such/out",
        ],
        &["score", "--model", "x", "--data", "no/such.jsonl"],
        &["algos", "grpo", "--apply", "no/such.json"],
    ] {
        let message = refused(args);
        assert!(!message.is_empty());
    }
    let message = refused(&[
        "generate",
        "--model",
        "x",
        "--prompt",
        "a",
        "--temperature",
        "-1",
    ]);
    assert!(message.contains("temperature"), "{message}");
    let message = refused(&["inspect", "--model", "no/such/dir"]);
    assert!(
        message.contains("no/such/dir: does not exist, expected a Hugging Face"),
        "{message}"
    );
}

#[test]
fn devices_are_listed_with_what_is_not_compiled_in() {
    let listed = text(&["inspect", "--devices", "--json"]);
    let rows: Vec<Value> = listed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<&str> = rows.iter().filter_map(|r| r["names"].as_str()).collect();
    assert_eq!(names, ["flex", "cuda:N", "tch, tch:cuda:N"]);
    assert_eq!(rows[0]["devices"][0], "flex");
    let table = text(&["inspect", "--devices"]);
    for row in &rows {
        let (compiled, feature) = (&row["compiled"], row["feature"].as_str().unwrap());
        let missing = table.contains(&format!("not compiled in (--features {feature})"));
        assert_eq!(compiled == false, missing, "{table}");
    }
    let message = refused(&["algos", "grpo", "--apply", "no.json", "--device", "gpu"]);
    assert!(!message.contains("panicked"), "{message}");
    refused(&["inspect"]);
}

#[test]
fn the_cpu_passes_its_own_examination_in_bf16() {
    let rows = text(&["doctor", "--dtype", "bf16", "--json"]);
    let rows: Vec<Value> = rows
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(rows.len() > 10);
    for row in &rows {
        assert_eq!(row["ok"], true, "{row}");
        // It is compared with something else than itself.
        assert!(row["logits"].as_f64().unwrap() > 0.0, "{row}");
    }
}
