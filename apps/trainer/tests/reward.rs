//! `trainer reward` and `trainer rewards`.
#![allow(clippy::unwrap_used)] // Outside #[test] functions clippy sees no test.

use serde_json::{Value, json};
use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};
use tempfile::TempDir;

/// A file of rows, and the command on it.
struct Rows {
    dir: TempDir,
}

impl Rows {
    fn new(text: impl AsRef<[u8]>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("rows.jsonl"), text).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
        command
            .arg("reward")
            .arg("--data")
            .arg(self.path("rows.jsonl"));
        command.args(args).output().unwrap()
    }

    /// The results and the summary.
    #[track_caller]
    fn grade(&self, args: &[&str]) -> (Vec<Value>, String) {
        let output = self.run(args);
        let summary = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{summary}");
        let text = String::from_utf8(output.stdout).unwrap();
        let rows = text.lines().map(|line| serde_json::from_str(line).unwrap());
        (rows.collect(), summary)
    }

    #[track_caller]
    fn refused(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(output.stdout.is_empty());
        message
    }
}

fn lines(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

#[test]
fn rows_are_graded_in_their_order() {
    let rows: Vec<Value> = (0..5000)
        .map(
            |i| json!({"id": format!("c{i}"), "gold": "$3$", "pred": format!("it is ${}$", i % 4)}),
        )
        .collect();
    let (graded, summary) = Rows::new(lines(&rows)).grade(&[]);
    assert_eq!(graded.len(), 5000);
    for (i, row) in graded.iter().enumerate() {
        assert_eq!(row["id"], format!("c{i}"));
        assert_eq!(row["verdict"], i % 4 == 3, "{row}");
        assert!(
            row["reason"].is_string() && row["gold_parsed"].is_array(),
            "{row}"
        );
        assert!(row["pred_parsed"].is_array());
    }
    assert!(
        summary.contains("5000 rows graded, 1250 right (25.00 %), 3750 wrong"),
        "{summary}"
    );
    assert!(summary.contains("verdicts/s"), "{summary}");
}

#[test]
fn a_row_names_its_grader_and_its_options() {
    let row = |config: &str, opts: Value| json!({"id": 1, "gold": "$0.5$", "pred": "$0.504$", "config": config, "opts": opts});
    let rows = [
        row("default", json!({})),
        row("default", json!({"float_rounding": 2})),
        row("trl", json!({"float_rounding": 2})),
    ];
    let (graded, _) = Rows::new(lines(&rows)).grade(&[]);
    let verdicts: Vec<&Value> = graded.iter().map(|row| &row["verdict"]).collect();
    // The grader of TRL takes no answer without a box or "answer is".
    assert_eq!(verdicts, [false, true, false]);
    assert_eq!(graded[2]["reason"], "no_answer");

    // Another name of the variable, which math-verify accepts on request.
    let pair = |config: &str, gold: &str, pred: &str| json!({"gold": gold, "pred": pred, "config": config});
    let rows = [
        pair("default", "$3m^2-6m-45$", "$3z^{2}-6z-45$"),
        pair("nonstrict", "$3m^2-6m-45$", "$3z^{2}-6z-45$"),
    ];
    let (graded, _) = Rows::new(lines(&rows)).grade(&[]);
    assert_eq!(graded[0]["verdict"], false, "{}", graded[0]);
    assert_eq!(graded[1]["verdict"], true, "{}", graded[1]);

    let message = Rows::new(lines(&[row("trll", json!({}))])).refused(&[]);
    assert!(
        message.contains("rows.jsonl:1: `config`") && message.contains("`trll`"),
        "{message}"
    );
    let message = Rows::new(lines(&[row("trl", json!({"rounding": 2}))])).refused(&[]);
    assert!(
        message.contains("rows.jsonl:1: `opts`") && message.contains("rounding"),
        "{message}"
    );
}

#[test]
fn a_gold_answer_that_does_not_parse_follows_the_policy() {
    let good = json!({"id": "good", "gold": "2", "pred": "2"});
    let bad = json!({"id": "bad", "gold": "not possible", "pred": "not possible"});
    let rows = Rows::new(lines(&[good, bad]));
    let (graded, summary) = rows.grade(&[]);
    assert_eq!(
        (&graded[1]["verdict"], &graded[1]["reason"]),
        (&json!(false), &json!("gold_unparsed"))
    );
    assert!(summary.contains("gold_unparsed: 1"), "{summary}");
    let (graded, summary) = rows.grade(&["--on-unparsable-gold", "skip"]);
    assert_eq!(graded.len(), 1);
    assert!(
        summary.contains("1 skipped") && summary.contains("rows.jsonl:2: "),
        "{summary}"
    );
    let message = rows.refused(&["--on-unparsable-gold", "error"]);
    assert!(
        message.contains("rows.jsonl:2: gold answer `not possible`"),
        "{message}"
    );
}

#[test]
fn bad_rows_are_refused_with_file_and_line() {
    let good = "{\"gold\":\"1\",\"pred\":\"1\"}\n";
    for (bad, expected) in [
        (
            &b"{\"id\":\"x\",\"pred\":\"1\"}"[..],
            "rows.jsonl:2: the row has no `gold`",
        ),
        (
            b"{\"gold\":\"1\",\"pred\":\"\xc3\x28\"}",
            "rows.jsonl:2: not UTF-8",
        ),
        (b"{\"gold\":\"1\",", "rows.jsonl:2: not a reward row"),
    ] {
        let rows = Rows::new([good.as_bytes(), bad].concat());
        let out = rows.path("out.jsonl");
        let message = rows.refused(&["--out", out.to_str().unwrap()]);
        assert!(message.contains(expected), "{message}");
        assert!(!out.exists());
    }
    assert!(Rows::new("\n").refused(&[]).contains("no row"));
    let message = Rows::new(good).refused(&["--rule", "mth"]);
    assert!(message.contains("did you mean `math`?"), "{message}");
    let message = Rows::new(good).refused(&["--set", "profil=trl"]);
    assert!(message.contains("did you mean `profile`?"), "{message}");
}

#[test]
fn any_rule_grades_a_file() {
    let row = |pred: &str| json!({"gold": "[0,0,10,10]", "pred": pred, "response_tokens": 8});
    let rows = Rows::new(lines(&[row("[0,0,5,10]"), row("no box")]));
    let out = rows.path("out.jsonl");
    let args = [
        "--rule",
        "box_iou",
        "--set",
        "correct_at=0.4",
        "--out",
        out.to_str().unwrap(),
    ];
    let (nothing, summary) = rows.grade(&args);
    assert!(nothing.is_empty());
    let text = fs::read_to_string(out).unwrap();
    let graded: Vec<Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(graded[0]["id"], "line-1");
    assert_eq!(
        (&graded[0]["verdict"], &graded[0]["value"]),
        (&json!(true), &json!(0.5))
    );
    assert_eq!(graded[1]["verdict"], json!(false));
    assert!(summary.contains("mean value 0.2500"), "{summary}");
    let (graded, _) = rows.grade(&["--rule", "length"]);
    assert_eq!(graded[0]["parts"], json!({"length": 0.008}));
    let message = Rows::new("{\"gold\":\"1\",\"pred\":\"1\"}").refused(&["--rule", "length"]);
    assert!(
        message.contains(":1: ") && message.contains("`response_tokens`"),
        "{message}"
    );
}

#[test]
fn a_reward_program_that_fails_is_a_failure_and_not_bad_input() {
    let rows = Rows::new("{\"gold\":\"1\",\"pred\":\"1\"}");
    let command = "command=[\"/no/such/program\"]";
    let output = rows.run(&["--rule", "command", "--set", command]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(
        message.contains("cannot start `/no/such/program`"),
        "{message}"
    );
}

fn rewards(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
    command.arg("rewards").args(args).output().unwrap()
}

#[test]
fn rewards_are_listed_and_described() {
    let text = String::from_utf8(rewards(&[]).stdout).unwrap();
    assert!(
        text.lines()
            .any(|line| line.starts_with("soft_overlong ") && line.contains("arXiv:2503.14476"))
    );
    let all: Vec<Value> = serde_json::from_slice(&rewards(&["--json"]).stdout).unwrap();
    let overlong = all
        .iter()
        .find(|rule| rule["name"] == "soft_overlong")
        .unwrap();
    assert_eq!(overlong["defaults"]["buffer_tokens"], 4096);
    assert_eq!(overlong["range"], json!([-1.0, 0.0]));
    let text = String::from_utf8(rewards(&["numeric"]).stdout).unwrap();
    assert!(text.contains("options.rel_tol = 0.05"), "{text}");
    let output = rewards(&["numerc"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("did you mean `numeric`?")
    );
}
