//! Several devices: the same run, and one message when it cannot go on.

use crate::common::{World, stderr, tiny};
use serde_json::{Value, json};

const TRAIN: [&str; 2] = ["train", "tiny.toml"];
const TWO: [&str; 2] = ["--device", "flex,flex"];

#[test]
fn two_devices_leave_what_one_leaves() {
    let world = World::new();
    let more = [
        "--set",
        "eval.data=data/train.jsonl",
        "--set",
        "train.steps=2",
        "--set",
        "train.mini_batches=1",
        "--set",
        "train.replica_check_steps=1",
    ];
    let run = |name: &str, devices: &[&str]| {
        world.text(&[&TRAIN[..], &["--run-dir", name], &more, devices].concat());
    };
    run("one", &[]);
    run("two", &TWO);
    let files = |run: &str| -> Vec<String> {
        let all = world.files();
        let names = all.keys().filter_map(|p| p.strip_prefix(run).ok());
        let names = names.map(|p| p.to_string_lossy().into_owned());
        // The name of the TensorBoard file says when it was made.
        names.filter(|name| !name.starts_with("events.")).collect()
    };
    assert_eq!(files("two"), files("one"));
    let path = |run: &str, name: &str| world.path(run).join(name);
    // Until the first update. From then on weights differ by the order of sums, and Adam's first
    // steps go by the sign of what is next to nothing.
    for name in ["rollouts/step_000001.jsonl", "eval/eval/step_000000.jsonl"] {
        let (one, two) = (
            tiny::read_rows(&path("one", name)),
            tiny::read_rows(&path("two", name)),
        );
        let said = |rows: &[Value]| -> Vec<[Value; 3]> {
            let fields = ["prompt_id", "draw", "response"];
            rows.iter()
                .map(|row| fields.map(|f| row[f].clone()))
                .collect()
        };
        assert!(!one.is_empty());
        assert_eq!(said(&two), said(&one), "{name}");
    }
    let lines = |run: &str| tiny::reproducible_metrics(&world.path(run));
    let (one, two) = (lines("one"), lines("two"));
    assert_eq!(two.len(), one.len());
    for (key, one) in one[1].as_object().unwrap() {
        let (one, two) = (one.as_f64().unwrap(), two[1][key].as_f64().unwrap());
        assert!(
            (one - two).abs() <= 1e-4 * one.abs().max(0.1),
            "{key}: {two} {one}"
        );
    }
}

#[test]
fn a_row_that_cannot_be_sampled_ends_the_run_with_the_same_message() {
    let world = World::new();
    // The last of four prompts is in the second replica's half; the model has 512 positions.
    let row = json!({
        "conversations": [{ "role": "user", "content": "red? ".repeat(600) }],
        "answer": "yes",
    });
    world.set_row(4, &row.to_string());
    let fail = |name: &str, devices: &[&str]| {
        let fixed = ["--no-check", "--run-dir", name];
        let output = world.run(&[&TRAIN[..], &fixed, devices].concat());
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert_eq!(message.matches("error: ").count(), 1, "{message}");
        let last = message.lines().last().unwrap();
        last.strip_prefix("error: ").unwrap().to_owned()
    };
    let one = fail("one", &[]);
    let expected = "expected at most 512 together";
    assert!(
        one.contains("data/train.jsonl:4: ") && one.contains(expected),
        "{one}"
    );
    assert_eq!(fail("two", &TWO), one);
}

#[test]
fn a_list_with_a_device_that_is_none_is_refused_before_anything_is_written() {
    let world = World::new();
    let args = ["--run-dir", "run", "--device", "flex,gpu"];
    let output = world.run(&[&TRAIN[..], &args].concat());
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(
        message.contains("--device flex,gpu: in this list, --device gpu: no such device"),
        "{message}"
    );
    assert!(!world.path("run").exists());
}
