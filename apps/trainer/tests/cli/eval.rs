//! `trainer eval` from rows to summary, on the demo's model.

use crate::common::{World, stderr, tiny};
use serde_json::{Value, json};
use std::{fs, path::Path};
use trainer::demo::{Split, model::assets};

const QUESTIONS: u64 = 12;

/// A directory with the demo's model as `demo/` and held-out questions.
fn world() -> World {
    let world = World::new();
    fs::create_dir(world.path("demo")).unwrap();
    for (name, bytes) in assets() {
        world.write(&format!("demo/{name}"), bytes);
    }
    tiny::write_questions(&world.path("held_out"), Split::Eval, QUESTIONS);
    world
}

/// Evaluates into `out`; the summary.
#[track_caller]
fn eval(world: &World, out: &str, more: &[&str]) -> Value {
    let args = ["eval", "--model", "demo", "--out", out, "--json"];
    let printed = world.text(&[&args, more].concat());
    assert_eq!(world.read(&format!("{out}/summary.json")), printed);
    serde_json::from_str(&printed).unwrap()
}

fn samples(world: &World, out: &str) -> Vec<Value> {
    tiny::read_rows(&world.path(&format!("{out}/samples.jsonl")))
}

const ROWS: [&str; 6] = [
    "--data",
    "held_out/eval.jsonl",
    "--rule",
    "answer_exact",
    "--max-new-tokens",
    "48",
];

#[test]
fn rows_of_ones_own_are_judged_one_by_one() {
    let world = world();
    let summary = eval(&world, "a", &ROWS);
    let (rows, found) = (
        tiny::read_rows(&world.path("held_out/eval.jsonl")),
        samples(&world, "a"),
    );
    assert_eq!((rows.len(), found.len()), (QUESTIONS as usize, rows.len()));
    let mut right = 0;
    for (row, sample) in rows.iter().zip(&found) {
        assert_eq!(sample["prompt_id"], row["id"], "the order of the rows");
        assert_eq!(sample["answer"], row["answer"]);
        // The demo's answers are one word in a tag.
        let answer = format!("<answer>{}</answer>", row["answer"].as_str().unwrap());
        let is_right = sample["response"].as_str().unwrap().contains(&answer);
        assert_eq!(sample["correct"], is_right, "{sample}");
        right += usize::from(is_right);
    }
    // The base model guesses: some are right, most are not.
    assert!((1..rows.len() / 2 + 1).contains(&right), "{right} right");
    let accuracy = right as f64 / rows.len() as f64;
    assert!((summary["accuracy"].as_f64().unwrap() - accuracy).abs() < 1e-12);
    assert_eq!(summary["rows"], QUESTIONS);

    // Neither how many are decoded together nor how many follow changes a completion.
    let few = eval(
        &world,
        "b",
        &[&ROWS[..], &["--max-batch", "5", "--samples", "7"]].concat(),
    );
    assert_eq!(few["rows"], 7);
    // Log-probabilities are sums in another order in another batch.
    let rounded = |samples: &[Value]| -> Vec<Value> {
        let round = |sample: &Value| {
            let mut sample = sample.clone();
            for logprob in sample["logprobs"].as_array_mut().unwrap() {
                *logprob = json!((logprob.as_f64().unwrap() * 1e3).round());
            }
            sample
        };
        samples.iter().map(round).collect()
    };
    assert_eq!(rounded(&samples(&world, "b")), rounded(&found[..7]));
}

#[test]
fn several_draws_a_row_estimate_pass_at_k() {
    let world = world();
    let draws = ["-n", "3", "--temperature", "1", "--samples", "6"];
    let summary = eval(&world, "a", &[&ROWS[..], &draws].concat());
    let found = samples(&world, "a");
    let right: Vec<usize> = found
        .chunks(3)
        .map(|row| row.iter().filter(|s| s["correct"] == true).count())
        .collect();
    assert_eq!(right.len(), 6);
    let draw_mean = right.iter().sum::<usize>() as f64 / 18.0;
    let any = right.iter().filter(|n| **n > 0).count() as f64 / 6.0;
    assert!((summary["accuracy"].as_f64().unwrap() - draw_mean).abs() < 1e-12);
    assert!((summary["pass@3"].as_f64().unwrap() - any).abs() < 1e-12);
    let texts: Vec<&str> = found
        .iter()
        .map(|s| s["response"].as_str().unwrap())
        .collect();
    let differ = |row: &[&str]| row.iter().any(|text| *text != row[0]);
    assert!(
        texts.chunks(3).any(differ),
        "draws of a row differ: {texts:?}"
    );
}

#[test]
fn a_benchmark_brings_prompt_rule_and_groups() {
    let world = world();
    let data =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/data/cv_bench.parquet");
    let data = data.to_str().unwrap();
    let bench = [
        "--bench",
        "cv_bench",
        "--data",
        data,
        "--max-new-tokens",
        "4",
    ];
    let summary = eval(&world, "a", &bench);
    assert_eq!(
        (&summary["bench"], &summary["rows"]),
        (&"cv_bench".into(), &2.into())
    );
    for (field, value) in [
        ("source", "ADE20K"),
        ("source", "Omni3D"),
        ("task", "Count"),
    ] {
        assert_eq!(summary["by"][field][value]["rows"], 1, "{field} {value}");
    }
    // The official score weighs three sources, of which one is missing here.
    assert_eq!(summary.get("scores"), None);
    let found = samples(&world, "a");
    let prompt = found[0]["prompt"].as_str().unwrap();
    assert!(prompt.starts_with(
        "How many? Select from the following choices.\n(A) 3\n(B) 2\nOutput the thinking"
    ));
    assert_eq!(
        (&found[0]["answer"], &found[1]["task"]),
        (&"(B)".into(), &"Depth".into())
    );
    eval(&world, "b", &[&bench[..], &["--direct"]].concat());
    let direct = samples(&world, "b");
    assert!(
        direct[0]["prompt"].as_str().unwrap().ends_with("(B) 2"),
        "{}",
        direct[0]
    );
}

#[test]
fn two_evaluations_are_compared_row_by_row() {
    let world = World::new();
    let write = |out: &str, rights: &[bool], answer: &str| {
        fs::create_dir(world.path(out)).unwrap();
        let sample = |(id, right): (usize, &bool)| {
            json!({
                "step": 0, "prompt_id": id.to_string(), "draw": 0, "prompt": "?", "answer": answer,
                "response": "x", "tokens": 1, "finish_reason": "stop", "reward": 0.0,
                "correct": right, "kept": true, "subject": "s",
            })
        };
        let rows: Vec<Value> = rights.iter().enumerate().map(sample).collect();
        tiny::write_rows(&world.path(&format!("{out}/samples.jsonl")), &rows);
    };
    let mut a = [
        true, false, false, false, false, false, false, false, false, true,
    ];
    write("a", &a, "1");
    a = [false, true, true, true, true, true, true, true, true, true];
    write("b", &a, "1");
    let compared = world.text(&["eval", "--compare", "a", "b", "--json"]);
    let compared: Value = serde_json::from_str(&compared).unwrap();
    assert_eq!(compared["accuracy"], json!([0.2, 0.9]));
    assert!((compared["difference"].as_f64().unwrap() - 0.7).abs() < 1e-12);
    assert_eq!(compared["right_alone"], json!([1, 8]));
    // 2 · (1 + 9) / 2⁹
    assert!((compared["mcnemar_p"].as_f64().unwrap() - 20.0 / 512.0).abs() < 1e-12);
    let told = world.text(&["eval", "--compare", "a", "b"]);
    assert!(
        told.contains("B − A +70.00 points, 95 % interval +"),
        "{told}"
    );
    assert!(told.contains("McNemar's exact p = 0.0391"), "{told}");

    write("short", &a[..9], "1");
    write("other", &a, "2");
    for (b, expected) in [
        ("short", "row 9 is not in short, expected the same rows"),
        (
            "other",
            "the gold answer of row 0 is \"1\" and \"2\", expected the same data",
        ),
    ] {
        let done = world.run(&["eval", "--compare", "a", b]);
        assert_eq!(done.status.code(), Some(2));
        assert!(stderr(&done).contains(expected), "{}", stderr(&done));
    }
}

#[test]
fn what_cannot_be_measured_is_refused_before_the_model_is_read() {
    let world = World::new();
    fs::create_dir(world.path("taken")).unwrap();
    let data = ["--data", "data/train.jsonl"];
    for (more, expected) in [
        (&["--bench", "cv_bank"][..], "expected one of: cv_bench"),
        (&["--rule", "answer_exakt"], "answer_exact"),
        (&["-n", "2"], "expected a --temperature above 0"),
        (&["--out", "taken"], "exists, expected a new directory"),
        (&["--template", "no place"], "{question}"),
    ] {
        let done = world.run(&[&["eval", "--model", "nowhere"], &data[..], more].concat());
        let told = stderr(&done);
        assert_eq!(done.status.code(), Some(2), "{more:?}: {told}");
        assert!(told.contains(expected), "{more:?}: {told}");
    }
}

#[test]
fn a_gold_answer_that_cannot_be_used_is_found_before_anything_is_sampled() {
    let world = world();
    let row = |answer: &str| serde_json::json!({ "question": "how many?", "answer": answer });
    tiny::write_rows(&world.path("rows.jsonl"), &["1", "one", "3"].map(row));
    let args = ["--data", "rows.jsonl", "--rule", "numeric"];
    let nowhere = ["eval", "--model", "nowhere", "--out", "a"];
    let done = world.run(&[&nowhere[..], &args].concat());
    let told = stderr(&done);
    assert_eq!(done.status.code(), Some(2), "{told}");
    assert!(told.contains("rows.jsonl:2: "), "{told}");
    assert!(!world.path("a").exists());

    let skip = ["--max-new-tokens", "2", "--on-unparsable-gold", "skip"];
    let here = ["eval", "--model", "demo"];
    let told = stderr(&world.run(&[&here[..], &args, &skip].concat()));
    assert!(told.contains("left out 1 of 3 rows"), "{told}");
    let with = |out, policy| {
        let more = ["--max-new-tokens", "2", "--on-unparsable-gold", policy];
        eval(&world, out, &[&args[..], &more].concat())
    };
    assert_eq!(with("skip", "skip")["rows"], 2);
    assert_eq!(with("zero", "zero")["rows"], 3);
    // Rows that are not asked may be as they are.
    eval(&world, "first", &[&args[..], &["--samples", "1"]].concat());
}

#[test]
fn an_evaluation_that_fails_leaves_no_directory() {
    let world = world();
    let picture = tiny::read_rows(&world.path("held_out/eval.jsonl"))[0]["image_urls"][0].clone();
    let picture = Path::new("held_out").join(picture.as_str().unwrap());
    let bytes = fs::read(world.root().join(&picture)).unwrap();
    world.write(picture.to_str().unwrap(), &bytes[..bytes.len() / 2]);
    let done = world.run(&[&["eval", "--model", "demo", "--out", "a"], &ROWS[..]].concat());
    let told = stderr(&done);
    assert_eq!(done.status.code(), Some(2), "{told}");
    assert!(told.contains("held_out/eval.jsonl:1: "), "{told}");
    assert!(!world.path("a").exists());
}
