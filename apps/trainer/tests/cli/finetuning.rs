//! Adapters and frozen parts, from the command line to what other tools are given.

use crate::common::{World, stderr};
use burn::tensor::Device;
use burn_vlm::{
    Vlm,
    lora::LoraConfig,
    weights::{ExportDtype, WeightFiles},
};
use serde_json::Value;
use std::fs;

const TRAIN: [&str; 4] = ["train", "tiny.toml", "--run-dir", "run"];
const LORA: [&str; 4] = ["--set", "lora.rank=2", "--set", "algo.name=sft"];

/// Demonstrations, so that there is something to learn from the first step on.
fn world() -> World {
    let world = World::new();
    let data = world.read("data/train.jsonl");
    let rows: Vec<String> = data
        .lines()
        .map(|line| {
            let mut row: Value = serde_json::from_str(line).unwrap();
            let response = format!("<answer>{}</answer>", row["answer"].as_str().unwrap());
            let turn = serde_json::json!({ "role": "assistant", "content": response });
            row["conversations"].as_array_mut().unwrap().push(turn);
            row.to_string()
        })
        .collect();
    world.write("data/train.jsonl", rows.join("\n"));
    world
}

#[track_caller]
fn refused(world: &World, args: &[&str]) -> String {
    let output = world.run(args);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
    message
}

/// The log-probabilities of every row's response, one after the other.
fn scores(world: &World, model: &str) -> Vec<f64> {
    let rows: Vec<String> = world
        .read("data/train.jsonl")
        .lines()
        .map(|line| {
            let mut row: Value = serde_json::from_str(line).unwrap();
            row["conversations"].as_array_mut().unwrap().truncate(1);
            row["response"] = "a circle".into();
            row.to_string()
        })
        .collect();
    world.write("data/score.jsonl", rows.join("\n"));
    let text = world.text(&["score", "--model", model, "--data", "data/score.jsonl"]);
    text.lines()
        .flat_map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            let logprobs = row["logprobs"].as_array().unwrap().clone();
            logprobs.into_iter().map(|x| x.as_f64().unwrap())
        })
        .collect()
}

fn furthest(a: &[f64], b: &[f64]) -> f64 {
    assert!(!a.is_empty() && a.len() == b.len());
    let pairs = a.iter().zip(b);
    pairs.map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
}

#[test]
fn an_adapter_is_trained_sampled_exported_and_merged() {
    let world = world();
    let more = ["--steps", "3", "--set", "optim.lr=5e-2"];
    world.text(&[&TRAIN[..], &LORA, &more].concat());
    let checkpoint = "run/checkpoints/latest";
    let before = scores(&world, "model");
    let trained = scores(&world, checkpoint);
    assert!(furthest(&before, &trained) > 1e-2, "it learned nothing");

    world.text(&["export", "--checkpoint", checkpoint, "--out", "adapter"]);
    let names: Vec<_> = fs::read_dir(world.path("adapter"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for name in [
        "adapter_config.json",
        "adapter_model.safetensors",
        "tokenizer.json",
    ] {
        assert!(names.iter().any(|n| n == name), "no {name} in {names:?}");
    }
    assert!(!names.iter().any(|n| n == "model.safetensors"));
    assert_eq!(scores(&world, "adapter"), trained);

    world.text(&[
        "export",
        "--checkpoint",
        checkpoint,
        "--out",
        "whole",
        "--merge",
    ]);
    assert!(!world.path("whole/adapter_config.json").exists());
    assert!(furthest(&scores(&world, "whole"), &trained) <= 1e-5);

    let message = refused(
        &world,
        &["export", "--checkpoint", "whole", "--out", "x", "--merge"],
    );
    assert!(message.contains("whole has no adapter"), "{message}");
    // Trained on from where it is.
    let more = [
        "--set",
        "model.path=adapter",
        "--set",
        "algo.name=sft",
        "--steps",
        "1",
    ];
    world.text(&[&["train", "tiny.toml", "--run-dir", "more"], &more[..]].concat());
    let further = scores(&world, "more/checkpoints/latest");
    assert!(furthest(&further, &trained) > 0.0);
    let message = refused(
        &world,
        &[
            &["train", "tiny.toml", "--run-dir", "again"],
            &more[..],
            &LORA,
        ]
        .concat(),
    );
    assert!(message.contains("lora.rank is 2, expected 0"), "{message}");
}

/// Names of a checkpoint's tensors that the critic has moved away from the policy.
fn moved(world: &World, run: &str) -> Vec<String> {
    let open = |dir: &str| WeightFiles::open(&world.path(dir)).unwrap();
    let policy = open(&format!("{run}/checkpoints/latest"));
    let critic = open(&format!("{run}/checkpoints/latest/critic"));
    let names = critic.tensors().map(|(name, ..)| name.to_owned());
    let differs = |name: &String| policy.bytes(name) != critic.bytes(name);
    names.filter(differs).collect()
}

#[test]
fn a_critic_is_trained_as_a_whole_whatever_of_the_policy_is() {
    let world = world();
    let critic = ["--set", "algo.name=ppo", "--set", "critic.init=normal"];
    let ppo = |run: &str, more: &[&str]| {
        let train = ["train", "tiny.toml", "--run-dir", run];
        world.text(&[&train[..], &critic, more].concat());
    };
    for init in ["random", "pretrained"] {
        let init = format!("model.init={init}");
        ppo(
            &init,
            &["--set", &init, "--set", "model.freeze=[\"visual\"]"],
        );
        let moved = moved(&world, &init);
        assert!(
            moved.iter().any(|name| name.starts_with("visual.")),
            "{init}: {moved:?}"
        );
    }
    // Beside the adapter of another run, the critic starts from both in one.
    world.text(&[&TRAIN[..], &LORA].concat());
    ppo("more", &["--set", "model.path=run/checkpoints/latest"]);
    let critic = world.path("more/checkpoints/latest/critic");
    assert!(
        !critic.join("adapter_config.json").exists() && critic.join("model.safetensors").exists()
    );
}

#[test]
fn the_plan_says_what_is_trained() {
    let world = world();
    let plan = |more: &[&str]| {
        let output = world.run(&[&TRAIN[..], &["--dry-run"], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let plan = stderr(&output);
        let line = plan.lines().find(|line| line.starts_with("trained"));
        line.unwrap().to_owned()
    };
    assert!(plan(&[]).contains("(100.00 %)"));
    let frozen = plan(&["--set", "model.freeze=[\"visual\"]"]);
    assert!(
        frozen.contains("frozen: visual") && !frozen.contains("100.00"),
        "{frozen}"
    );
    let adapter = plan(&LORA);
    assert!(adapter.contains("an adapter of rank 2"), "{adapter}");
}

#[test]
fn names_that_fit_nothing_and_what_does_not_go_together_are_refused() {
    let world = world();
    for (sets, expected) in [
        (
            &["model.freeze=[\"vision\"]"][..],
            &["model.freeze has `vision`", "`visual`"][..],
        ),
        (
            &["lora.rank=2", "lora.target_modules=[\"q_prj\"]"],
            &["lora.target_modules has `q_prj`", "`q_proj`"],
        ),
        (
            &["lora.rank=2", "model.freeze=[\"visual\"]"],
            &["lora.rank is 2 and model.freeze is set"],
        ),
        (
            &["lora.rank=2", "model.init=random"],
            &["model.init is `random`"],
        ),
        (&["lora.rank=2", "lora.dropout=1.0"], &["lora.dropout is 1"]),
        (&["lora.rnak=2"], &["lora.rnak", "rank"]),
    ] {
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        let args: Vec<&str> = TRAIN.into_iter().chain(sets).collect();
        let message = refused(&world, &args);
        for part in expected {
            assert!(message.contains(part), "{args:?}: {message}");
        }
        assert!(!world.path("run").exists(), "{args:?} left a directory");
    }
}

#[test]
fn rows_without_a_response_to_imitate_are_refused_or_left_out() {
    let world = world();
    let silent = r#"{"conversations": [{"role": "user", "content": "red?"}], "answer": "red"}"#;
    world.set_row(3, silent);
    let sft = ["--set", "algo.name=sft"];
    let message = refused(&world, &[&TRAIN[..], &sft].concat());
    let expected = "data/train.jsonl:3: the row ends without an assistant turn to learn from";
    assert!(message.contains(expected), "{message}");
    assert!(!world.path("run").exists());
    let skip = ["--set", "data.on_error=skip"];
    let output = world.run(&[&TRAIN[..], &sft, &skip].concat());
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{message}");
    assert!(message.contains("left out 1 of 4 rows"), "{message}");
}

#[test]
fn an_adapter_is_found_by_its_name_in_the_hubs_cache() {
    let world = World::new();
    let repository = world.path("cache/models--Org--Tiny");
    let snapshot = repository.join("snapshots/abc");
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(repository.join("refs")).unwrap();
    fs::write(repository.join("refs/main"), "abc").unwrap();
    let model = Vlm::from_dir(&world.path("model"), &Device::flex()).unwrap();
    let config = LoraConfig {
        rank: 2,
        ..LoraConfig::default()
    };
    let model = model.with_lora(&config, 3).unwrap();
    model.save(&snapshot, ExportDtype::F32).unwrap();
    // PEFT describes the adapter alone.
    fs::remove_file(snapshot.join("config.json")).unwrap();
    for command in [
        vec!["inspect", "--model", "Org/Tiny"],
        vec!["generate", "--model", "Org/Tiny", "--prompt", "red?"],
    ] {
        let output = world
            .command(&command)
            .env("HF_HUB_CACHE", world.path("cache"))
            .output()
            .unwrap();
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{command:?}: {message}");
    }
}
