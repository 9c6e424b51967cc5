//! The commands that use a model, as a user calls them: on the demo's architecture with random
//! weights.
#![allow(clippy::unwrap_used)] // Outside #[test] functions clippy sees no test.

use burn::tensor::Device;
use burn_vlm::{ModelConfig, Vlm, weights::ExportDtype};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tempfile::TempDir;
use trainer::demo::{
    Split,
    dataset::{Rows, write_dataset},
    model::assets,
};

/// The token of a picture's place, as the demo's configuration has it.
fn image_token() -> u64 {
    let (_, bytes) = assets()
        .iter()
        .find(|(name, _)| *name == "config.json")
        .unwrap();
    let config: Value = serde_json::from_slice(bytes).unwrap();
    config["image_token_id"].as_u64().unwrap()
}

/// A model directory and a few pictures with questions.
struct World {
    dir: TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let model = world.path("model");
        fs::create_dir(&model).unwrap();
        for (name, bytes) in assets() {
            fs::write(model.join(name), bytes).unwrap();
        }
        let config = ModelConfig::from_file(&model.join("config.json")).unwrap();
        Vlm::random(config, 1, &Device::flex())
            .save(&model, ExportDtype::F32)
            .unwrap();
        write_dataset(&world.path("data"), Split::Train, 0, 0..5, Rows::Questions).unwrap();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn model(&self) -> String {
        self.path("model").display().to_string()
    }

    fn questions(&self) -> String {
        self.path("data/train.jsonl").display().to_string()
    }

    fn write(&self, name: &str, rows: &[Value]) -> String {
        let path = self.path(name);
        let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
        fs::write(&path, lines).unwrap();
        path.display().to_string()
    }
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trainer"))
        .args(args)
        .output()
        .unwrap()
}

#[track_caller]
fn text(args: &[&str]) -> String {
    let output = run(args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn rows(args: &[&str]) -> Vec<Value> {
    text(args)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Runs what must fail with status 2 and one message, and returns the message.
#[track_caller]
fn refused(args: &[&str]) -> String {
    let output = run(args);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert_eq!(message.matches("error: ").count(), 1, "{message}");
    message
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap())
        .collect()
}

#[track_caller]
fn assert_close(a: &Value, b: &Value) {
    let (a, b) = (numbers(a), numbers(b));
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(&b) {
        assert!((a - b).abs() < 1e-4, "{a} and {b}");
    }
}

#[test]
fn a_completion_depends_on_its_row_and_not_on_its_batch() {
    let world = World::new();
    let (model, data) = (world.model(), world.questions());
    let fixed = [
        "generate",
        "--model",
        &model,
        "--data",
        &data,
        "--max-new-tokens",
        "6",
    ];
    let args = |more: &[&'static str]| [&fixed, more].concat();
    let all = rows(&args(&["-n", "2", "--seed", "3", "--json"]));
    assert_eq!(all.len(), 10);
    let alone = rows(&args(&[
        "-n",
        "2",
        "--seed",
        "3",
        "--json",
        "--max-batch",
        "1",
    ]));
    let other = rows(&args(&["-n", "2", "--seed", "4", "--json"]));
    for (a, b) in all.iter().zip(&alone) {
        assert_eq!((&a["id"], &a["tokens"]), (&b["id"], &b["tokens"]));
        assert_close(&a["logprobs"], &b["logprobs"]);
    }
    assert!(
        all.iter()
            .zip(&other)
            .any(|(a, b)| a["tokens"] != b["tokens"])
    );
    assert_ne!(
        all[0]["tokens"], all[1]["tokens"],
        "two draws of one prompt"
    );

    let first = &all[0];
    let keys: Vec<&String> = first.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "id",
            "prompt_tokens",
            "tokens",
            "logprobs",
            "behaviour_logprobs",
            "text",
            "finish_reason"
        ]
    );
    assert_eq!(first["id"], "train-000000");
    assert!(
        first["prompt_tokens"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|t| **t == image_token())
            .count()
            > 1
    );
    assert_eq!(
        first["tokens"].as_array().unwrap().len(),
        numbers(&first["logprobs"]).len()
    );
    assert!(["stop", "length"].contains(&first["finish_reason"].as_str().unwrap()));
}

/// A completion ends with the token that ends a stop string; its text goes up to the string.
#[test]
fn a_stop_string_ends_a_completion() {
    let world = World::new();
    let model = world.model();
    let ask = |more: &[&str]| {
        let mut args = vec![
            "generate",
            "--model",
            &model,
            "--prompt",
            "how many?",
            "--json",
        ];
        args.extend([
            "--max-new-tokens",
            "24",
            "--seed",
            "3",
            "--temperature",
            "1.5",
        ]);
        args.extend(more);
        rows(&args).remove(0)
    };
    let whole = ask(&[]);
    let text = whole["text"].as_str().unwrap();
    let (at, _) = text.char_indices().nth(12).unwrap();
    let (end, _) = text.char_indices().nth(15).unwrap();
    let stop = &text[at..end];
    let cut = text.split(stop).next().unwrap();
    let found = ask(&["--stop", stop]);
    assert_eq!(found["text"], cut);
    assert_eq!(found["finish_reason"], "stop");
    let tokens = found["tokens"].as_array().unwrap();
    assert!(tokens.len() < 24, "{found}");
    assert_eq!(
        whole["tokens"].as_array().unwrap()[..tokens.len()],
        tokens[..]
    );
    assert_eq!(numbers(&found["logprobs"]).len(), tokens.len());
    let included = ask(&["--stop", stop, "--include-stop-string"]);
    assert_eq!(included["text"], format!("{cut}{stop}"));
    assert_eq!(included["tokens"], found["tokens"]);
    let message = refused(&["generate", "--model", &model, "--prompt", "?", "--stop", ""]);
    assert!(
        message.contains("the stop string \"\" is empty"),
        "{message}"
    );
}

#[test]
fn a_prompt_takes_its_pictures_where_its_marks_are() {
    let world = World::new();
    let (model, image) = (world.model(), world.path("data/images/train-000000.png"));
    let image = image.display().to_string();
    let ask = |prompt: &str, images: &[&str]| {
        let mut args = vec![
            "generate", "--model", &model, "--prompt", prompt, "--greedy", "--json",
        ];
        args.extend(["--max-new-tokens", "3"]);
        images
            .iter()
            .for_each(|image| args.extend(["--image", *image]));
        rows(&args).remove(0)
    };
    let marked = ask("<image>how many shapes?", &[&image]);
    let unmarked = ask("how many shapes?", &[&image]);
    assert_eq!(marked, unmarked);
    let places = |row: &Value| {
        row["prompt_tokens"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|t| **t == image_token())
            .count()
    };
    let two = ask("<image>or<image>?", &[&image, &image]);
    assert_eq!(places(&two), 2 * places(&marked));
    let text_only = ask("how many shapes?", &[]);
    assert_eq!(places(&text_only), 0);
    let plain = text(&[
        "generate",
        "--model",
        &model,
        "--prompt",
        "how many shapes?",
        "--greedy",
        "--max-new-tokens",
        "3",
    ]);
    assert_eq!(
        plain.trim_end_matches('\n'),
        text_only["text"].as_str().unwrap()
    );
    let message = refused(&["generate", "--model", &model, "--prompt", "<image>?"]);
    assert!(
        message.contains("marks 1 images with <image>, but 0 were given"),
        "{message}"
    );
    let message = refused(&[
        "generate", "--model", &model, "--prompt", "?", "--image", "no.png",
    ]);
    assert!(
        message.contains("--image no.png: no such file"),
        "{message}"
    );
}

#[test]
fn scores_are_those_of_sampling_in_every_form_and_batch() {
    let world = World::new();
    let (model, data) = (world.model(), world.questions());
    let drawn = rows(&[
        "generate",
        "--model",
        &model,
        "--data",
        &data,
        "--json",
        "--max-new-tokens",
        "7",
    ]);
    let questions: Vec<Value> = fs::read_to_string(&data)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut given: Vec<Value> = drawn
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
    let mut by_text = questions[0].clone();
    by_text["response"] = json!("<answer>red</answer>");
    by_text.as_object_mut().unwrap().remove("answer");
    let mut empty = questions[1].clone();
    empty["response"] = json!("");
    given.extend([by_text, empty]);
    let file = world.write("data/score.jsonl", &given);

    let scored = rows(&["score", "--model", &model, "--data", &file]);
    assert_eq!(scored.len(), 7);
    for (scored, drawn) in scored.iter().zip(&drawn) {
        assert_eq!(scored["id"], drawn["id"]);
        assert_eq!(scored["prompt_tokens"], drawn["prompt_tokens"]);
        assert_eq!(scored["response_tokens"], drawn["tokens"]);
        assert_close(&scored["logprobs"], &drawn["logprobs"]);
    }
    assert_eq!(scored[5]["prompt_tokens"], drawn[0]["prompt_tokens"]);
    assert!(numbers(&scored[5]["logprobs"]).iter().all(|x| *x < 0.0));
    assert_eq!(scored[6]["logprobs"], json!([]));

    let out = world.path("scored.jsonl").display().to_string();
    assert_eq!(
        text(&[
            "score",
            "--model",
            &model,
            "--data",
            &file,
            "--out",
            &out,
            "--micro-batch",
            "1"
        ]),
        ""
    );
    let alone = fs::read_to_string(&out).unwrap();
    for (line, together) in alone.lines().zip(&scored) {
        let alone: Value = serde_json::from_str(line).unwrap();
        assert_eq!(alone["id"], together["id"]);
        assert_close(&alone["logprobs"], &together["logprobs"]);
    }
}

#[test]
fn a_bad_row_is_named_by_file_and_line() {
    let world = World::new();
    let model = world.model();
    let good = json!({"conversations": [{"role": "user", "content": "?"}], "response": "red"});
    let mut truncated = good.clone();
    truncated["image_urls"] = json!(["cut.png"]);
    let png = fs::read(world.path("data/images/train-000000.png")).unwrap();
    fs::write(world.path("cut.png"), &png[..png.len() / 2]).unwrap();
    let missing =
        json!({"conversations": good["conversations"], "response": "x", "image_urls": ["no.png"]});
    let cases = [
        (
            json!({"conversations": good["conversations"]}),
            "the row has no response",
        ),
        (
            json!({"prompt_tokens": [1], "response": "x"}),
            "expected either `response`, or both",
        ),
        (
            json!({"prompt_tokens": [1], "response_tokens": [9999]}),
            "`response_tokens[0]` is 9999",
        ),
        (
            json!({"prompt_tokens": [1, image_token()], "response_tokens": [1]}),
            "holds 1 image tokens, expected 0",
        ),
        (
            json!({"prompt_tokens": vec![1; 5000], "response_tokens": [1]}),
            "are 5001 tokens long",
        ),
        (truncated, "cut.png"),
        (missing, "no.png does not exist"),
        (
            json!("x"),
            "not a data row: found a text, expected a JSON object",
        ),
    ];
    for (row, expected) in cases {
        let file = world.write("rows.jsonl", &[good.clone(), row]);
        let message = refused(&["score", "--model", &model, "--data", &file]);
        assert!(message.contains(&format!("{file}:2: ")), "{message}");
        assert!(
            message.contains(expected),
            "{message} does not say {expected}"
        );
    }
    let file = world.write(
        "rows.jsonl",
        &[
            json!({"conversations": good["conversations"]}),
            json!({"id": 3}),
        ],
    );
    let message = refused(&["generate", "--model", &model, "--data", &file]);
    assert!(message.contains(&format!("{file}:2: ")), "{message}");
    let message = refused(&[
        "generate",
        "--model",
        &model,
        "--prompt",
        "?",
        "--max-new-tokens",
        "5000",
    ]);
    assert!(
        message.contains("exceeds the model's 4096 positions"),
        "{message}"
    );
}

#[test]
fn an_exported_model_is_the_same_model() {
    let world = World::new();
    let (model, out) = (
        world.model(),
        world.path("exports/new").display().to_string(),
    );
    let ask = |model: &str| {
        text(&[
            "generate",
            "--model",
            model,
            "--prompt",
            "what?",
            "--json",
            "--max-new-tokens",
            "5",
        ])
    };
    text(&["export", "--checkpoint", &model, "--out", &out]);
    assert_eq!(ask(&model), ask(&out));
    let names: Vec<String> = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for (name, _) in assets() {
        if name.ends_with(".json") {
            assert!(names.iter().any(|n| n == name), "{name} is not exported");
        }
    }
    let message = refused(&["export", "--checkpoint", &model, "--out", &out]);
    assert!(
        message.contains("expected a new or an empty directory"),
        "{message}"
    );

    let half = world.path("half").display().to_string();
    fs::create_dir(&half).unwrap();
    text(&[
        "export",
        "--checkpoint",
        &model,
        "--out",
        &half,
        "--dtype",
        "bf16",
    ]);
    let size = |dir: &str| {
        fs::metadata(Path::new(dir).join("model.safetensors"))
            .unwrap()
            .len()
    };
    assert!(size(&half) < size(&out) * 6 / 10);
    let config = fs::read_to_string(Path::new(&half).join("config.json")).unwrap();
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["torch_dtype"], "bfloat16");
    let inspected = rows(&["inspect", "--model", &half, "--json"]);
    assert_eq!(
        inspected[0]["weights"]["tensors"]
            .as_object()
            .unwrap()
            .keys()
            .collect::<Vec<_>>(),
        ["BF16"]
    );
}

#[test]
fn inspect_counts_and_finds_what_does_not_fit() {
    let world = World::new();
    let model = world.model();
    let found = rows(&["inspect", "--model", &model, "--json"]).remove(0);
    let count = |part: &str| found["parameters"][part].as_u64().unwrap();
    assert_eq!(
        count("vision") + count("text") + count("head"),
        count("total")
    );
    assert_eq!(count("head"), 0, "tied");
    let bytes = fs::metadata(world.path("model/model.safetensors"))
        .unwrap()
        .len();
    let header = bytes - 4 * count("total");
    assert!(
        header < 64 * 1024,
        "{header} bytes beside {} numbers",
        count("total")
    );
    assert_eq!(
        (&found["weights"]["loadable"], &found["tokenizer"]["fits"]),
        (&json!(true), &json!(true))
    );
    let table = text(&["inspect", "--model", &model]);
    assert!(table.contains("text_layers"), "{table}");

    let config = world.path("model/config.json");
    let original = fs::read_to_string(&config).unwrap();
    let narrower = original.replace("\"intermediate_size\": 384", "\"intermediate_size\": 256");
    assert_ne!(narrower, original);
    fs::write(&config, narrower).unwrap();
    let output = run(&["inspect", "--model", &model]);
    assert_eq!(output.status.code(), Some(2));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        printed.contains("up_proj.weight is [384, 128], expected [256, 128]"),
        "{printed}"
    );
    assert!(
        printed.contains("tokenizer"),
        "everything is printed before it fails: {printed}"
    );
    fs::write(&config, original).unwrap();

    let weights = world.path("model/model.safetensors");
    let whole = fs::read(&weights).unwrap();
    fs::write(&weights, &whole[..whole.len() - 4]).unwrap();
    for command in [vec!["inspect"], vec!["generate", "--prompt", "?"]] {
        let message = refused(&[command.as_slice(), &["--model", &model]].concat());
        assert!(
            message.contains("model.safetensors: not a whole safetensors file"),
            "{message}"
        );
    }
    // A single file of weights would count before the index.
    fs::remove_file(&weights).unwrap();
    let index = json!({"weight_map": {"model.norm.weight": "model-00001-of-00002.safetensors"}});
    fs::write(
        world.path("model/model.safetensors.index.json"),
        index.to_string(),
    )
    .unwrap();
    let message = refused(&["inspect", "--model", &model]);
    assert!(
        message.contains("names the shard model-00001-of-00002.safetensors"),
        "{message}"
    );
    fs::remove_file(&config).unwrap();
    for command in [vec!["inspect"], vec!["generate", "--prompt", "?"]] {
        let message = refused(&[command.as_slice(), &["--model", &model]].concat());
        assert!(
            message.contains("no config.json in this directory"),
            "{message}"
        );
    }
}
