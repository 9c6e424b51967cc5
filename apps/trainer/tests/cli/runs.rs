//! What a run leaves, and what can be done with it.

use crate::common::{World, stderr, tiny};
use serde_json::{Value, json};
use std::{collections::BTreeSet, process::Stdio};

const TRAIN: [&str; 4] = ["train", "tiny.toml", "--run-dir", "run"];
const CHECKPOINT: &str = "run/checkpoints/latest";

fn rows(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap())
        .collect()
}

/// In training and in evaluations alike.
#[test]
fn stop_strings_end_what_is_rewarded() {
    let world = World::new();
    let train = |run: &str, more: &[&str]| {
        let base = [
            "train",
            "tiny.toml",
            "--steps",
            "1",
            "--set",
            "rollout.sampling.max_new_tokens=12",
        ];
        world.text(&[&base[..], &["--run-dir", run], more].concat());
        rows(&world.read(&format!("{run}/rollouts/step_000001.jsonl")))
    };
    let response = |row: &Value| row["response"].as_str().unwrap().to_owned();
    let whole = train("whole", &[]);
    let first = response(&whole[0]);
    let stop: String = first.chars().skip(4).take(2).collect();
    let set = format!("rollout.stop={}", serde_json::to_string(&[&stop]).unwrap());
    let cut = train("cut", &["--set", &set]);
    for (whole, cut) in whole.iter().zip(&cut) {
        let (said, found) = (response(whole), response(cut));
        let before = said.split(&stop).next().unwrap();
        assert_eq!(found, before);
        let ended = before.len() < said.len();
        let stopped = |row: &Value| row["finish_reason"] == "stop";
        assert_eq!(stopped(cut), ended || stopped(whole));
    }
    assert!(response(&cut[0]).len() < first.len());
    let refused = world.run(&[&TRAIN[..], &["--set", "rollout.include_stop_string=true"]].concat());
    assert!(stderr(&refused).contains("but rollout.stop is empty"));
}

#[test]
fn a_dry_run_prints_and_writes_nothing() {
    let world = World::new();
    let before = world.files();
    let output = world.run(&[&TRAIN[..], &["--dry-run", "--set", "optim.lr=2e-4"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let config: toml::Table = String::from_utf8_lossy(&output.stdout).parse().unwrap();
    assert_eq!(config["optim"]["lr"].as_float(), Some(2e-4));
    assert_eq!(
        config["algo"]["clip_high"].as_float(),
        Some(0.2),
        "defaults are spelled out"
    );
    let plan = stderr(&output);
    for part in [
        "0.06 M parameters",
        "1 of 8 completions and 2 optimiser steps",
        "predicted peak",
    ] {
        assert!(plan.contains(part), "{plan}");
    }
    // The plan alone is a result: it goes to standard output.
    let alone = ["plan", TRAIN[1], "--set", "optim.lr=2e-4"];
    let alone = world.run(&alone);
    assert_eq!(alone.status.code(), Some(0), "{}", stderr(&alone));
    let alone = String::from_utf8_lossy(&alone.stdout).into_owned();
    assert!(plan.contains(alone.trim()), "{alone}");
    assert!(alone.contains("predicted peak"), "{alone}");
    let two = world.run(&["plan", TRAIN[1], "--device", "cuda:0,1"]);
    let two = String::from_utf8_lossy(&two.stdout).into_owned();
    assert!(two.contains("on each of 2 devices"), "{two}");
    let demo = world.run(&["train", "--dry-run"]);
    assert_eq!(demo.status.code(), Some(0), "{}", stderr(&demo));
    assert_eq!(world.files(), before);
}

#[test]
fn a_run_leaves_what_the_contract_says() {
    let world = World::new();
    let more = ["--set", "eval.data=data/train.jsonl"];
    world.text(&[&TRAIN[..], &more, &["--steps", "2"]].concat());
    let all = world.files();
    let files: BTreeSet<&str> = all
        .keys()
        .filter_map(|p| p.strip_prefix("run").ok()?.to_str())
        .collect();
    for name in [
        "config.toml",
        "metrics.jsonl",
        "report.html",
        "log.txt",
        "rollouts/step_000001.jsonl",
        "rollouts/step_000002.jsonl",
        "eval/eval/step_000000.jsonl",
        "eval/eval/step_000002.jsonl",
        "checkpoints/step_000002/config.json",
        "checkpoints/step_000002/model.safetensors",
        "checkpoints/step_000002/optimizer.safetensors",
        "checkpoints/step_000002/tokenizer.json",
        "checkpoints/step_000002/preprocessor_config.json",
    ] {
        assert!(files.contains(name), "no {name} in {files:?}");
    }
    assert!(
        files
            .iter()
            .any(|name| name.starts_with("events.out.tfevents.")),
        "{files:?}"
    );

    let metrics = tiny::read_rows(&world.path("run/metrics.jsonl"));
    let steps: Vec<&Value> = metrics.iter().map(|line| &line["step"]).collect();
    assert_eq!(steps, [0, 1, 2]);
    assert!(metrics[0]["eval/eval/pass@1"].is_number());
    let last = metrics[2].as_object().unwrap();
    assert_eq!(last.keys().next().unwrap(), "step");
    for key in [
        "reward/mean",
        "reward/std",
        "reward/accuracy",
        "reward/format",
        "reward/zero_std_groups",
        "response/tokens",
        "response/truncated",
        "response/tokens_wrong",
        "policy/loss",
        "policy/entropy",
        "policy/kl_ref",
        "policy/ratio_mean",
        "policy/clip_high",
        "policy/clip_low",
        "policy/sampler_gap_max",
        "optim/lr",
        "optim/grad_norm",
        "eval/eval/pass@1",
        "time/rollout_s",
        "time/reward_s",
        "time/score_s",
        "time/update_s",
        "time/step_s",
        "throughput/rollout_tokens_per_s",
        "throughput/train_tokens_per_s",
        "memory/peak_bytes",
    ] {
        assert!(
            last.get(key).is_some_and(Value::is_number),
            "no {key} in {last:?}"
        );
    }
    assert!(last["policy/sampler_gap_max"].as_f64().unwrap() < 1e-4);

    let config = world.read("run/config.toml");
    assert!(config.starts_with("# trainer "), "the versions: {config}");
    world.write("again.toml", &config);
    let stdout = world.text(&["config", "again.toml"]);
    assert_eq!(
        stdout.parse::<toml::Table>().unwrap(),
        config.parse::<toml::Table>().unwrap()
    );
}

#[test]
fn a_checkpoint_is_a_model_to_ask_score_and_export() {
    let world = World::new();
    world.text(&TRAIN);
    let draw = |model: &str, seed: &str| {
        let args = [
            "generate",
            "--model",
            model,
            "--data",
            "data/train.jsonl",
            "--json",
        ];
        world.text(&[&args[..], &["--seed", seed, "--max-new-tokens", "6"]].concat())
    };
    let drawn = draw(CHECKPOINT, "7");
    assert_eq!(drawn, draw(CHECKPOINT, "7"));
    assert_ne!(drawn, draw(CHECKPOINT, "8"));
    let found = rows(&drawn);
    for row in &found {
        let keys: Vec<&String> = row.as_object().unwrap().keys().collect();
        let expected = [
            "id",
            "prompt_tokens",
            "tokens",
            "logprobs",
            "behaviour_logprobs",
            "text",
            "finish_reason",
        ];
        assert_eq!(keys, expected);
        assert_eq!(
            row["tokens"].as_array().unwrap().len(),
            numbers(&row["logprobs"]).len()
        );
    }

    let questions = tiny::read_rows(&world.path("data/train.jsonl"));
    let given: Vec<Value> = found
        .iter()
        .zip(&questions)
        .map(|(drawn, question)| {
            json!({
                "id": drawn["id"],
                "prompt_tokens": drawn["prompt_tokens"],
                "response_tokens": drawn["tokens"],
                "image_urls": question["image_urls"],
            })
        })
        .collect();
    tiny::write_rows(&world.path("data/given.jsonl"), &given);
    let scored = rows(&world.text(&["score", "--model", CHECKPOINT, "--data", "data/given.jsonl"]));
    assert_eq!(scored.len(), found.len());
    for (scored, drawn) in scored.iter().zip(&found) {
        assert_eq!(scored["id"], drawn["id"]);
        let (scored, drawn) = (numbers(&scored["logprobs"]), numbers(&drawn["logprobs"]));
        assert_eq!(scored.len(), drawn.len());
        for (a, b) in scored.iter().zip(&drawn) {
            assert!((a - b).abs() < 1e-4, "{a} and {b}");
        }
    }

    world.text(&["export", "--checkpoint", CHECKPOINT, "--out", "exported"]);
    assert_eq!(draw("exported", "7"), drawn);
    let exported: Value =
        serde_json::from_str(&world.text(&["inspect", "--model", "exported", "--json"])).unwrap();
    assert_eq!(exported["weights"]["loadable"], true);
    let before = world.files();
    let output = world.run(&["export", "--checkpoint", CHECKPOINT, "--out", "exported"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(world.files(), before, "an export is never overwritten");
}

#[test]
fn rows_without_pictures_train_alone_and_beside_others() {
    let world = World::new();
    let text_only = r#"{"conversations": [{"role": "user", "content": "red?"}], "answer": "yes"}"#;
    world.set_row(2, text_only);
    world.text(&TRAIN);
    let rollouts = tiny::read_rows(&world.path("run/rollouts/step_000001.jsonl"));
    assert_eq!(rollouts[2]["prompt_id"], "line-2");
    assert_eq!(
        (&rollouts[2]["images"], &rollouts[2]["answer"]),
        (&json!([]), &json!("yes"))
    );
    for row in [1, 3, 4] {
        world.set_row(row, text_only);
    }
    world.text(&["train", "tiny.toml", "--run-dir", "text_only"]);
    assert_eq!(
        tiny::read_rows(&world.path("text_only/rollouts/step_000001.jsonl")).len(),
        8
    );
}

#[test]
fn both_row_formats_are_the_same_data() {
    let world = World::new();
    world.text(&TRAIN);
    let data = world.path("data/train.jsonl");
    let mut rows = tiny::read_rows(&data);
    for row in &mut rows {
        let row = row.as_object_mut().unwrap();
        let turns = row.remove("conversations").unwrap();
        let text = turns[0]["content"]
            .as_str()
            .unwrap()
            .trim_start_matches("<image>");
        let parts = json!([{ "type": "image" }, { "type": "text", "text": text }]);
        row.insert(
            "message".into(),
            json!([{ "role": "user", "content": parts }])
                .to_string()
                .into(),
        );
    }
    tiny::write_rows(&data, &rows);
    world.text(&["train", "tiny.toml", "--run-dir", "other"]);
    let rollouts = |run: &str| world.read(&format!("{run}/rollouts/step_000001.jsonl"));
    assert_eq!(rollouts("run"), rollouts("other"));
}

#[test]
fn who_stops_reading_is_no_failure() {
    let world = World::new();
    let data = [
        "generate",
        "--model",
        "model",
        "--data",
        "data/train.jsonl",
        "--json",
        "-n",
        "4",
    ];
    for args in [
        &["config"][..],
        &["algos"],
        &["algos", "grpo"],
        &["inspect", "--model", "model"],
        &data,
        &[&TRAIN[..], &["--dry-run"]].concat(),
    ] {
        let mut child = world
            .command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{args:?}: {}",
            stderr(&output)
        );
        assert!(
            !stderr(&output).contains("panicked"),
            "{args:?}: {}",
            stderr(&output)
        );
    }
    // In a shell, with a reader that takes one line.
    let script = format!(
        "{{ '{}' config; echo $? >&2; }} | head -n 1",
        env!("CARGO_BIN_EXE_trainer")
    );
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .output()
        .unwrap();
    assert_eq!(stderr(&output).trim(), "0");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().trim(),
        "name = \"demo\""
    );
}

#[test]
fn a_run_goes_on_when_nobody_reads_standard_error() {
    let world = World::new();
    let mut child = world
        .command(&TRAIN)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(world.path(CHECKPOINT).join("model.safetensors").is_file());
}
