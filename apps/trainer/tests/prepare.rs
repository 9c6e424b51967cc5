//! `trainer prepare` on files as their authors publish them.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn sat() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/data/sat.parquet")
}

fn prepare(parquet: &Path, out: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trainer"))
        .args(["prepare", "sat", "--parquet"])
        .arg(parquet)
        .arg("--out")
        .arg(out)
        .args(more)
        .output()
        .unwrap()
}

fn rows(out: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(out.join("sat.jsonl")).unwrap();
    text.lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

#[test]
fn sat_has_one_picture_a_row_and_a_drawn_order_of_options() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("sat");
    let done = prepare(&sat(), &out, &[]);
    let told = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{told}");
    assert!(
        told.contains("2 rows in") && told.contains("left out 1 of 3 rows"),
        "{told}"
    );
    let found = rows(&out);
    assert_eq!(found[0]["id"], "sat-0");
    assert_eq!(found[1]["id"], "sat-2", "numbers are those of the source");
    let options = "Is the box, or the bag, nearer? Choose between the following options: ";
    let content = found[1]["conversations"][0]["content"].as_str().unwrap();
    let (_, shuffled) = content.split_once(options).unwrap();
    let mut orders = vec![];
    for a in ["box, red", "bag", "neither"] {
        for b in ["box, red", "bag", "neither"] {
            for c in ["box, red", "bag", "neither"] {
                orders.push(format!("{a}, {b} or {c}"));
            }
        }
    }
    assert!(
        orders.iter().any(|o| o == shuffled),
        "an option with a comma stays whole: {shuffled}"
    );
    assert!(content.starts_with("<image> Answer in natural language. "));
    assert_eq!(found[1]["conversations"][1]["content"], "bag");
    assert_eq!(found[1]["answer"], "bag");
    assert_eq!(found[1]["image_urls"][0], "images/2_0.png");
    let picture = image::open(out.join("images/2_0.png")).unwrap().to_rgb8();
    assert_eq!(picture.get_pixel(0, 0).0, [0, 0, 255]);

    let again = dir.path().join("again");
    assert!(prepare(&sat(), &again, &["--rows", "2"]).status.success());
    assert_eq!(
        rows(&again),
        found[..1],
        "the same seed gives the same order"
    );
}

#[test]
fn what_is_there_is_not_overwritten_and_what_is_no_parquet_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let refused = prepare(&sat(), dir.path(), &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        String::from_utf8(refused.stderr)
            .unwrap()
            .contains("expected a new directory")
    );
    let file = dir.path().join("x.parquet");
    std::fs::write(&file, "not parquet").unwrap();
    let refused = prepare(&file, &dir.path().join("out"), &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        String::from_utf8(refused.stderr)
            .unwrap()
            .contains("not readable as parquet")
    );
    assert!(!dir.path().join("out").exists());
}
