//! What commands read stays as it is, and what they write is what they were asked for.

use crate::common::{World, stderr, tiny};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// Runs what must be refused; the message.
#[track_caller]
fn refused(world: &World, args: &[&str]) -> String {
    let done = world.run(args);
    let told = stderr(&done);
    assert_eq!(done.status.code(), Some(2), "{args:?}: {told}");
    told
}

#[test]
fn results_never_replace_their_rows() {
    let world = World::new();
    let rows = r#"{"gold": "1", "pred": "1", "prompt": "a", "response": "b"}"#;
    world.write("rows.jsonl", rows);
    let reward = ["reward", "--data", "rows.jsonl", "--out"];
    let score = ["score", "--model", "model", "--data", "rows.jsonl", "--out"];
    for command in [&reward[..], &score] {
        for out in ["rows.jsonl", "data/../rows.jsonl"] {
            let told = refused(&world, &[command, &[out]].concat());
            assert!(told.contains("is the file of --data"), "{told}");
            assert_eq!(world.read("rows.jsonl"), rows);
        }
    }
}

#[test]
fn a_directory_is_no_file_of_rows() {
    let world = World::new();
    let told = refused(&world, &["reward", "--data", "data"]);
    assert_eq!(told, "error: data: Is a directory (os error 21)\n");
}

/// `filter-difficulty` that keeps every row it can rate.
fn filter<'a>(data: &'a str, out: &'a str) -> Vec<&'a str> {
    let config = ["filter-difficulty", "tiny.toml", "--set", data];
    let rates = ["--out", out, "-n", "1", "--lower", "0", "--upper", "1"];
    [&config[..], &rates].concat()
}

fn golden(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden/data")
        .join(name)
}

#[test]
fn pictures_of_two_tables_are_kept_apart() {
    let world = World::new();
    fs::create_dir(world.path("tables")).unwrap();
    for name in ["cv_bench.parquet", "sat.parquet"] {
        fs::copy(golden(name), world.path("tables").join(name)).unwrap();
    }
    world.text(&filter("data.train=tables", "kept.jsonl"));
    let rows = tiny::read_rows(&world.path("kept.jsonl"));
    assert_eq!(rows.len(), 5);
    let picture = |row: &Value, field: &str| fs::read(row[field][0].as_str().unwrap()).unwrap();
    // The second rows of the two tables show other colours: blue, and red as both first rows.
    let [red, blue] = [0, 1].map(|i| picture(&rows[i], "image"));
    assert_ne!(red, blue);
    assert_eq!(picture(&rows[2], "image_bytes"), red);
    assert_eq!(picture(&rows[3], "image_bytes"), red);
    assert_eq!(picture(&rows[4], "image_bytes"), blue);

    // A picture that is there already stays, and is told.
    let other = world.path("again.jsonl.images");
    fs::create_dir(&other).unwrap();
    let name = Path::new(rows[0]["image"][0].as_str().unwrap());
    let taken = other.join(name.file_name().unwrap());
    fs::write(&taken, "mine").unwrap();
    let told = refused(&world, &filter("data.train=tables", "again.jsonl"));
    assert!(told.contains("exists already"), "{told}");
    assert_eq!(fs::read(&taken).unwrap(), b"mine");
}

#[test]
fn rows_to_be_filtered_need_gold_answers_that_can_be_used() {
    let world = World::new();
    let row = |answer: &str| json!({ "question": "how many?", "answer": answer });
    tiny::write_rows(&world.path("rows.jsonl"), &["1", "one", "3"].map(row));
    let rule = ["--set", r#"reward.parts=[{ rule = "numeric" }]"#];
    let args = [&filter("data.train=rows.jsonl", "kept.jsonl"), &rule[..]].concat();
    let told = refused(&world, &args);
    assert!(told.contains("rows.jsonl:2: "), "{told}");

    let skip = ["--set", "reward.on_unparsable_gold=skip"];
    let done = world.run(&[&args, &skip[..]].concat());
    let told = stderr(&done);
    assert_eq!(done.status.code(), Some(0), "{told}");
    assert!(told.contains("left out 1 of 3 rows"), "{told}");
    let report: Value = serde_json::from_str(&world.read("kept.jsonl.report.json")).unwrap();
    let counts = ["rows", "left_out", "kept"].map(|name| report[name].clone());
    assert_eq!(counts, [2, 1, 2]);
}
