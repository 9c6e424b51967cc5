//! What cannot be used ends with status 2 and one message that says where, what was found and what
//! was expected; nothing that was there before is touched.

use crate::common::{ROWS, World, stderr, tiny};
use serde_json::json;
use std::fs;

const TRAIN: [&str; 4] = ["train", "tiny.toml", "--run-dir", "run"];

/// Trains, expects a refusal whose one message holds all of `expected`.
#[track_caller]
fn refused(world: &World, more: &[&str], expected: &[&str]) {
    let before = world.files();
    let output = world.run(&[&TRAIN, more].concat());
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert_eq!(message.matches("error: ").count(), 1, "{message}");
    assert!(
        message.lines().last().unwrap().starts_with("error: "),
        "{message}"
    );
    for part in expected {
        assert!(message.contains(part), "no `{part}` in: {message}");
    }
    assert!(output.stdout.is_empty());
    let after = world.files();
    for (path, bytes) in &before {
        assert!(
            after.get(path) == Some(bytes),
            "{} has changed",
            path.display()
        );
    }
}

/// The same, and found before the run began: no directory is left in the way of the next try.
#[track_caller]
fn refused_at_once(world: &World, more: &[&str], expected: &[&str]) {
    refused(world, more, expected);
    assert!(!world.path("run").exists());
}

#[test]
fn a_missing_image() {
    let world = World::new();
    fs::remove_file(world.path("data/images/train-000001.png")).unwrap();
    let expected = [
        "data/train.jsonl:2: ",
        "data/images/train-000001.png does not exist",
    ];
    refused_at_once(&world, &[], &expected);
}

#[test]
fn a_truncated_image() {
    let world = World::new();
    let name = "data/images/train-000002.png";
    let bytes = fs::read(world.path(name)).unwrap();
    world.write(name, &bytes[..bytes.len() / 2]);
    refused(&world, &[], &["data/train.jsonl:3: ", name]);
}

#[test]
fn a_picture_that_is_none() {
    let world = World::new();
    // Of the last row: its header is looked at before the first step.
    let name = "data/images/train-000003.png";
    world.write(name, b"<html>not found</html>");
    refused_at_once(&world, &[], &["data/train.jsonl:4: ", name, "not an image"]);
}

#[test]
fn a_row_that_is_not_json() {
    let world = World::new();
    world.set_row(3, r#"{"id": "x", "conversations": ["#);
    refused_at_once(&world, &[], &["data/train.jsonl:3: not a data row: "]);
}

#[test]
fn a_row_of_the_wrong_type() {
    let world = World::new();
    world.set_row(2, r#"{"conversations": "red?", "answer": "red"}"#);
    let found = "`conversations` is a text, expected a list of turns";
    refused_at_once(&world, &[], &["data/train.jsonl:2: ", found]);
}

#[test]
fn a_row_without_an_answer() {
    let world = World::new();
    world.set_row(
        4,
        r#"{"conversations": [{"role": "user", "content": "red?"}]}"#,
    );
    refused_at_once(
        &world,
        &[],
        &["data/train.jsonl:4: the row has no `answer`"],
    );
}

#[test]
fn a_prompt_longer_than_the_limit() {
    let world = World::new();
    let row = json!({
        "conversations": [{ "role": "user", "content": "red? ".repeat(300) }],
        "answer": "yes",
    });
    world.set_row(2, &row.to_string());
    let more = ["--set", "data.max_prompt_tokens=200"];
    let expected = [
        "data/train.jsonl:2: the prompt is ",
        "at most 200 (data.max_prompt_tokens)",
    ];
    refused(&world, &more, &expected);
}

/// The text alone would fit; what its picture adds is known from the file's header.
#[test]
fn a_prompt_that_its_picture_makes_longer_than_the_limit() {
    let world = World::new();
    let more = [
        "--set",
        "data.max_prompt_tokens=200",
        "--set",
        "model.images.min_pixels=200000",
        "--set",
        "model.images.max_pixels=250000",
    ];
    let expected = [
        "data/train.jsonl:1: the prompt is ",
        "pictures included, expected at most 200 (data.max_prompt_tokens)",
    ];
    refused_at_once(&world, &more, &expected);
}

#[test]
fn a_prompt_that_the_model_has_no_room_for_beside_its_completion() {
    let world = World::new();
    let row = json!({
        "conversations": [{ "role": "user", "content": "red? ".repeat(300) }],
        "answer": "yes",
    });
    // The last row: its turn would come after others.
    world.set_row(4, &row.to_string());
    let config = world.read("model/config.json");
    assert!(config.contains("max_position_embeddings"));
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    config["max_position_embeddings"] = json!(500);
    world.write("model/config.json", config.to_string());
    let more = ["--set", "rollout.sampling.max_new_tokens=200"];
    let expected = [
        "data/train.jsonl:4: the prompt is ",
        "rollout.sampling.max_new_tokens is 200, expected at most 500 together",
    ];
    refused_at_once(&world, &more, &expected);
    let skip = [&more[..], &["--set", "data.on_error=skip"]].concat();
    let output = world.run(&[&TRAIN, &skip[..], &["--set", "rollout.prompts_per_step=2"]].concat());
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{message}");
    assert!(message.contains("left out 1 of 4 rows"), "{message}");
}

#[test]
fn a_truncated_image_is_found_at_once_where_all_rows_are_read() {
    let world = World::new();
    let name = "data/images/train-000002.png";
    let bytes = fs::read(world.path(name)).unwrap();
    world.write(name, &bytes[..bytes.len() / 2]);
    let full = ["--set", "data.check=full"];
    refused_at_once(&world, &full, &["data/train.jsonl:3: ", name]);
    let output = world.run(&[&TRAIN[..], &["--no-check", "--steps", "0"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn messages_name_the_whole_key_and_where_it_is_set() {
    let world = World::new();
    for (set, expected) in [
        (
            "reward.clip=[1,-1]",
            "reward.clip=[1,-1]: `reward.clip` is [1, -1], expected the smaller",
        ),
        (
            "rollout.sampling.temperature=nan",
            "rollout.sampling.temperature is NaN",
        ),
        (
            "rollout.sampling.max_new_tokens=0",
            "rollout.sampling.max_new_tokens is 0",
        ),
        ("eval.max_new_tokens=0", "eval.max_new_tokens is 0"),
        (
            "model.freeze=['nope']",
            "freeze=['nope']: model.freeze has `nope`",
        ),
        (
            "model.images.max_pixels=100",
            "max_pixels=100: min_pixels is",
        ),
        ("lora={rank=4,alpha=0}", "alpha=0}: lora.alpha is 0"),
        ("lora={rank=4,dropout=1}", "dropout=1}: lora.dropout is 1"),
        (
            "data.picture_roots=['no']",
            "data.picture_roots names no: No such",
        ),
        (
            "data.picture_roots=['tiny.toml']",
            "data.picture_roots names tiny.toml: it is a file, expected a directory",
        ),
        ("optim.weight_decay=1e30", "optim.weight_decay is 1"),
        ("rollout.sampling.temperature=1e-45", "temperature is 1e-45"),
    ] {
        refused_at_once(&world, &["--set", set], &["--set", expected]);
    }
    world.replace(
        "tiny.toml",
        "max_new_tokens = 4\n\n[algo]",
        "max_new_tokens = 0\n\n[algo]",
    );
    let expected = "tiny.toml:15: rollout.sampling.max_new_tokens is 0";
    refused_at_once(&world, &[], &[expected]);
}

#[test]
fn a_chat_template_of_ones_own_is_named_by_its_file() {
    let world = World::new();
    world.write(
        "own.jinja",
        "{% for m in messages %}{{ m.role }}\n{% endfor %}",
    );
    let more = ["--set", "model.chat_template=own.jinja"];
    let expected = ["data/train.jsonl:1: own.jinja: the chat template takes text only"];
    refused(&world, &more, &expected);
}

#[test]
fn a_name_that_is_no_directory() {
    let world = World::new();
    let output = world.run(&["train", "tiny.toml", "--set", "name=Qwen/try1"]);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(
        message.contains("name is \"Qwen/try1\", expected one without a slash"),
        "{message}"
    );
}

#[test]
fn settings_that_can_do_nothing() {
    let world = World::new();
    for (set, expected) in [
        (
            "reward.parts=[{rule='answer_exact'},{rule='soft_overlong'}]",
            "`soft_overlong`: `max_tokens` is 20480 and `buffer_tokens` is 4096",
        ),
        (
            "filter.rounds_per_step=3",
            "filter.rounds_per_step is 3, but no batch is refilled",
        ),
        (
            "eval={top_p=0.9,temperature=0.0}",
            "eval.top_p is 0.9, but at eval.temperature 0",
        ),
        ("eval.draws=4", "eval.draws is 4"),
        (
            "train.reference_mix=0.5",
            "train.reference_mix is 0.5, but train.reference_refresh_steps",
        ),
        (
            "optim.min_lr_ratio=0.1",
            "but optim.schedule is constant: it would do nothing",
        ),
        (
            "algo.kl_horizon=10",
            "algo.kl_horizon is 10, but algo.kl_target is 0",
        ),
        ("algo.correction_high=3.0", "but algo.correction is `none`"),
        (
            "algo.value_clip=0.3",
            "value_clip is 0.3, but algo.critic is false",
        ),
        (
            "critic.optim.lr=0.1",
            "critic.optim.lr is 0.1, but this algorithm has no critic",
        ),
        (
            "train={target_kl=0.1,mini_batches=1}",
            "train.target_kl is 0.1, but a step has one update",
        ),
        (
            "train.demonstrations.rows=3",
            "but train.demonstrations.data is empty",
        ),
        (
            "critic.model='x'",
            "critic.model is \"x\", but this algorithm has no critic",
        ),
        (
            "reward.parts=[{rule='answer_exact',name='mean'}]",
            "a part of the reward is called `mean`, but reward/mean is a metric of every run",
        ),
    ] {
        refused_at_once(&world, &["--set", set], &[expected]);
    }
}

#[test]
fn a_data_file_that_is_not_there() {
    let world = World::new();
    refused_at_once(
        &world,
        &["--set", "data.train=data/tain.jsonl"],
        &["data/tain.jsonl: "],
    );
}

#[test]
fn an_unknown_key() {
    let world = World::new();
    world.replace("tiny.toml", "mini_batches = 2", "mini_batch = 2");
    refused_at_once(
        &world,
        &[],
        &[
            "tiny.toml:22: unknown key `train.mini_batch`",
            "`train.mini_batches`",
        ],
    );
}

#[test]
fn a_wrong_type() {
    let world = World::new();
    world.replace("tiny.toml", "lr = 1e-3", "lr = \"1e-3\"");
    let expected = "tiny.toml:26: `optim.lr` is string \"1e-3\", expected a number";
    refused_at_once(&world, &[], &[expected]);
}

#[test]
fn a_batch_that_does_not_divide() {
    let world = World::new();
    let expected = [
        "rollout.prompts_per_step is 4",
        "expected a multiple of train.mini_batches, which is 3",
    ];
    refused_at_once(&world, &["--set", "train.mini_batches=3"], &expected);
    refused_at_once(
        &world,
        &["--set", "train.mini_batches=3", "--dry-run"],
        &expected,
    );
}

#[test]
fn a_budget_without_room_for_one_sequence() {
    let world = World::new();
    let expected = [
        "rollout.max_tokens is 40, expected at least ",
        "data.max_prompt_tokens",
        "rollout.sampling.max_new_tokens",
    ];
    refused_at_once(&world, &["--set", "rollout.max_tokens=40"], &expected);
}

#[test]
fn an_unknown_algorithm() {
    let world = World::new();
    world.replace("tiny.toml", "name = \"grpo\"", "name = \"gpro\"");
    refused_at_once(
        &world,
        &[],
        &["tiny.toml:18: `algo.name` is `gpro`", "`grpo`"],
    );
}

#[test]
fn an_algorithm_that_compares_what_is_alone() {
    let world = World::new();
    let expected = ["rollout.samples_per_prompt is 1", "`grpo`", "at least 2"];
    refused_at_once(
        &world,
        &["--set", "rollout.samples_per_prompt=1"],
        &expected,
    );
}

#[test]
fn combinations_of_parts_that_make_no_sense() {
    let world = World::new();
    let cases: [(&[&str], &[&str]); 6] = [
        (
            &["name=ppo", "critic=false"],
            &["algo.critic is false", "need a critic"],
        ),
        (
            &["kl_target=0.1", "beta=0"],
            &["algo.kl_target is 0.1", "needs a reference"],
        ),
        (
            &["name=dapo", "overlong_horizon=100"],
            &["algo.overlong_horizon is 100, below algo.overlong_buffer"],
        ),
        (
            &["name=dapo"],
            &[
                "`dapo`",
                "rollout.sampling.max_new_tokens",
                "overlong_horizon",
            ],
        ),
        (
            &["ratio_level=sequence"],
            &["algo.ratio_level is `sequence`", "those of a token"],
        ),
        (
            &["accuracy_low=0.1", "accuracy_part=accurracy"],
            &["algo.accuracy_part is `accurracy`", "accuracy"],
        ),
    ];
    for (options, expected) in cases {
        let sets: Vec<String> = options.iter().map(|o| format!("algo.{o}")).collect();
        let more: Vec<&str> = sets.iter().flat_map(|s| ["--set", s.as_str()]).collect();
        refused_at_once(&world, &more, expected);
    }
}

#[test]
fn a_model_directory_without_config() {
    let world = World::new();
    fs::remove_file(world.path("model/config.json")).unwrap();
    let expected = [
        "model: no config.json in this directory",
        "expected a Hugging Face model",
    ];
    refused_at_once(&world, &[], &expected);
    refused_at_once(&world, &["--dry-run"], &expected);
    let expected = ["no/model: does not exist", "expected a Hugging Face model"];
    let more = ["--set", "model.path=no/model"];
    refused_at_once(&world, &more, &expected);
}

#[test]
fn a_missing_shard() {
    let world = World::new();
    let index =
        json!({ "weight_map": { "model.norm.weight": "model-00001-of-00002.safetensors" } });
    world.write("model/model.safetensors.index.json", index.to_string());
    // A single file of weights would count before the index.
    fs::remove_file(world.path("model/model.safetensors")).unwrap();
    let expected = "model/model.safetensors.index.json: names the shard \
                    model-00001-of-00002.safetensors, which is missing";
    refused_at_once(&world, &[], &[expected]);
}

#[test]
fn a_tensor_of_an_unexpected_shape() {
    let world = World::new();
    world.replace(
        "model/config.json",
        "\"intermediate_size\": 64",
        "\"intermediate_size\": 48",
    );
    let expected = [
        "model: the weights do not fit",
        "up_proj.weight is [64, 32], expected [48, 32]",
    ];
    refused_at_once(&world, &[], &expected);
}

#[test]
fn truncated_weights() {
    let world = World::new();
    let bytes = fs::read(world.path("model/model.safetensors")).unwrap();
    world.write("model/model.safetensors", &bytes[..bytes.len() - 4]);
    refused_at_once(
        &world,
        &[],
        &["model/model.safetensors: not a whole safetensors file"],
    );
}

#[test]
fn a_tokenizer_of_another_model() {
    let world = World::new();
    let mut config = tiny::config();
    let image = config["image_token_id"].take();
    config["image_token_id"] = json!(7);
    world.write("model/config.json", config.to_string());
    let found = format!("model: the id of <|image_pad|> is {image}, expected 7 as in config.json");
    refused_at_once(&world, &[], &[&found]);
}

#[test]
fn only_unusable_rows() {
    let world = World::new();
    world.write("data/train.jsonl", "nonsense\n[]\n");
    let more = ["--set", "data.on_error=skip"];
    let expected = "data/train.jsonl:1: none of 2 rows can be used: data/train.jsonl:1: not a data";
    refused_at_once(&world, &more, &[expected]);
    world.write(
        "data/train.jsonl",
        r#"{"conversations": [], "answer": "x"}"#,
    );
    let expected = "none of 1 rows can be used: data/train.jsonl:1: the conversation has no turn";
    refused_at_once(&world, &more, &[expected]);
}

#[test]
fn a_run_directory_that_exists() {
    let world = World::new();
    fs::create_dir(world.path("run")).unwrap();
    world.write("run/metrics.jsonl", "{\"step\":1}\n");
    let before = world.files();
    refused(&world, &[], &["run directory run: "]);
    assert_eq!(world.files(), before, "nothing was added either");
}

#[test]
fn nothing_to_resume() {
    let world = World::new();
    let output = world.run(&["train", "--run-dir", "run", "--resume"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("run directory run: not found"),
        "{}",
        stderr(&output)
    );
    assert!(!world.path("run").exists());
}

#[test]
fn rows_that_are_skipped_are_counted_and_reported() {
    let world = World::new();
    let mut rows: Vec<String> = world
        .read("data/train.jsonl")
        .lines()
        .map(String::from)
        .collect();
    let png = fs::read(world.path("data/images/train-000000.png")).unwrap();
    world.write("data/cut.png", &png[..png.len() / 2]);
    let image = |url: &str| {
        let turn = json!({ "role": "user", "content": "red?" });
        json!({ "conversations": [turn], "answer": "yes", "image_urls": [url] }).to_string()
    };
    let long = json!({
        "conversations": [{ "role": "user", "content": "red? ".repeat(300) }],
        "answer": "yes",
    });
    rows.extend([
        "nonsense".to_owned(),
        r#"{"conversations": [{"role": "user", "content": "red?"}]}"#.to_owned(),
        image("no.png"),
        image("cut.png"),
        long.to_string(),
    ]);
    world.write("data/train.jsonl", rows.join("\n"));
    world.write("data/held_out.jsonl", rows[3..6].join("\n"));
    let skip = [
        "--set",
        "data.on_error=skip",
        "--set",
        "data.max_prompt_tokens=200",
        "--set",
        "eval.data=data/held_out.jsonl",
    ];
    let output = world.run(&[&TRAIN, &skip[..]].concat());
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{message}");
    assert!(
        message.contains("left out 5 of 9 rows of data/train.jsonl"),
        "{message}"
    );
    for line in ROWS + 1..=ROWS + 5 {
        assert!(
            message.contains(&format!("data/train.jsonl:{line}: ")),
            "{line}: {message}"
        );
    }
    assert!(
        message.contains("left out 2 of 3 rows of data/held_out.jsonl"),
        "{message}"
    );
    let log = world.read("run/log.txt");
    assert_eq!(log.matches("left out: ").count(), 5 + 2, "{log}");
    let rollouts = tiny::read_rows(&world.path("run/rollouts/step_000001.jsonl"));
    let trained: Vec<&str> = rollouts
        .iter()
        .map(|r| r["prompt_id"].as_str().unwrap())
        .collect();
    assert_eq!(trained.len(), 8);
    assert!(
        trained.iter().all(|id| id.starts_with("train-00000")),
        "{trained:?}"
    );
}

/// A run whose directory lost what it goes on from.
#[test]
fn a_run_that_was_tampered_with() {
    let world = World::new();
    world.text(&[&TRAIN[..], &["--steps", "1"]].concat());
    let resume = |run: &str| {
        let output = world.run(&["train", "--run-dir", run, "--resume", "--steps", "2"]);
        assert_eq!(output.status.code(), Some(2));
        stderr(&output)
    };
    let config = world.read("run/config.toml");
    world.write("run/config.toml", "");
    let message = resume("run");
    let expected =
        "error: run/config.toml: there is no model.path in it, expected the configuration";
    assert!(message.contains(expected), "{message}");
    world.write("run/config.toml", config);
    fs::rename(world.path("model"), world.path("run/model")).unwrap();
    world.replace(
        "run/config.toml",
        &world.path("model").display().to_string(),
        "{run}/gone",
    );
    let message = resume("run");
    assert!(
        message.contains("run/gone: does not exist, expected a"),
        "{message}"
    );
}
