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
    let bad = json!({"id": "bad", "gold": "$$", "pred": "not possible"});
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
        message.contains("rows.jsonl:2: gold answer `$$`"),
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

#[test]
fn explain_tells_where_the_answer_was_and_what_other_graders_say() {
    let rows = Rows::new(lines(&[
        json!({"id": "a", "gold": "0.5", "pred": r"so $\boxed{\frac{1}{2}}$"}),
        json!({"id": "b", "gold": "2", "pred": ""}),
    ]));
    let output = rows.run(&["--explain"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    for piece in [
        "a: right (",
        "in the last \\boxed{}",
        "wrong by",
        "gsm8k",
        "b: wrong (",
    ] {
        assert!(text.contains(piece), "{piece}: {text}");
    }
    let (json, _) = rows.grade(&["--explain", "--json"]);
    let explained = &json[0]["explanation"];
    assert_eq!(explained["profile"], "math_verify");
    assert_eq!(explained["profiles"]["math_verify"], true);
    assert_eq!(explained["profiles"]["gsm8k"], false);
    assert_eq!(explained["found"]["place"], "in the last \\boxed{}");
    assert_eq!(json[1]["explanation"]["found"], Value::Null);
    let (plain, _) = rows.grade(&[]);
    assert_eq!(plain[0].get("explanation"), None);
    assert_eq!(plain[0]["verdict"], json[0]["verdict"]);
}

#[test]
fn what_a_row_says_of_itself_reaches_the_rule() {
    let sizes = json!([{"original": [2000, 500], "resized": [1000, 400]}]);
    let row = |id: &str, coordinates: &str| {
        json!({"id": id, "gold": "[400,50,1000,400]", "pred": "(200,100),(500,800)",
            "image_sizes": sizes, "coordinates": coordinates})
    };
    let rows = Rows::new(lines(&[row("a", "thousandths"), row("b", "resized")]));
    let (graded, _) = rows.grade(&["--rule", "box_iou"]);
    assert_eq!(
        (&graded[0]["verdict"], &graded[1]["verdict"]),
        (&json!(true), &json!(false))
    );
    let (told, _) = rows.grade(&["--rule", "box_iou", "--explain", "--json"]);
    let steps = told[0]["explanation"]["steps"].to_string();
    assert!(steps.contains("thousandths"), "{steps}");
}

/// A run that paid for length, of two steps of two groups of two.
fn finished_run(rows: &Rows) -> PathBuf {
    let run = rows.path("run");
    fs::create_dir_all(run.join("rollouts")).unwrap();
    let config = "[data]\ntrain = \"x.jsonl\"\n[model]\npath = \"m\"\n[rollout]\n\
        samples_per_prompt = 2\n[algo]\nname = \"grpo\"\nbeta = 0.0\ndrop_zero_variance = true\n\
        [[reward.parts]]\nrule = \"length\"\n";
    fs::write(run.join("config.toml"), config).unwrap();
    let record = |step: u64, id: &str, draw: usize, response: &str, reward: f64| {
        json!({"step": step, "prompt_id": id, "draw": draw, "prompt": "", "answer": "2",
            "response": response, "tokens": 3, "finish_reason": "stop", "reward": reward,
            "parts": {"accuracy": reward}, "kept": true,
            "context": {"set": "x", "fields": {"kind": "n"}}})
    };
    let (right, wrong) = ("<answer>2</answer>", "<answer>3</answer>");
    let first = [
        record(1, "a", 0, right, 1.0),
        record(1, "a", 1, wrong, 0.0),
        record(1, "b", 0, wrong, 0.0),
        record(1, "b", 1, right, 1.0),
    ];
    let second = [
        record(2, "a", 0, wrong, 1.0),
        record(2, "a", 1, right, 0.0),
        record(2, "b", 0, right, 1.0),
        record(2, "b", 1, right, 0.0),
    ];
    for (step, records) in [(1, first), (2, second)] {
        let file = run.join(format!("rollouts/step_00000{step}.jsonl"));
        fs::write(file, lines(&records)).unwrap();
    }
    run
}

fn trainer_reward(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
    command.arg("reward").args(args).output().unwrap()
}

#[test]
fn a_finished_run_is_rewarded_again() {
    let rows = Rows::new("");
    let run = finished_run(&rows);
    let new = rows.path("new.toml");
    let when = "[[reward.parts]]\nrule = \"answer_exact\"\n\
        when = { set = \"x\", field = { kind = \"n\" } }\n";
    fs::write(&new, when).unwrap();
    let (run, new, changes) = (run.display(), new.display(), rows.path("changes.jsonl"));
    let (run, new) = (run.to_string(), new.to_string());
    let out = changes.display().to_string();
    let args = ["--rollouts", &run, "--config", &new, "--out", &out];
    let output = trainer_reward(&[&args[..], &["--json"]].concat());
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    let text = String::from_utf8(output.stdout).unwrap();
    let steps: Vec<Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(steps.len(), 3);
    let of = |step: usize, key: &str| steps[step][key].clone();
    assert_eq!(
        (of(0, "other_rewards"), of(0, "sign_changes")),
        (json!(0), json!(0))
    );
    assert_eq!(
        (of(1, "mean_old"), of(1, "mean_new")),
        (json!(0.5), json!(0.75))
    );
    assert_eq!((of(1, "kept_old"), of(1, "kept_new")), (json!(2), json!(1)));
    assert_eq!(of(1, "sign_changes"), 1);
    assert_eq!(
        (of(2, "step"), of(2, "first_step_that_differs")),
        (json!("all"), json!(2))
    );
    let changed = fs::read_to_string(&changes).unwrap();
    let changed: Vec<Value> = changed
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(changed.len(), 8);
    assert_eq!(changed[4]["reward_new"], 0.0);
    assert!(changed[4]["advantage_old"].as_f64() > Some(0.0));
    assert!(changed[4]["advantage_new"].as_f64() < Some(0.0));
    assert_eq!(changed[6]["filter_new"], "drop zero_variance");

    let table = trainer_reward(&args[..4]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("first step that differs: 2"), "{table}");
}

#[test]
fn a_run_that_cannot_be_rewarded_again_is_refused() {
    let rows = Rows::new("");
    let run = finished_run(&rows).display().to_string();
    let refused = |args: &[&str]| {
        let output = trainer_reward(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let message = refused(&[
        "--rollouts",
        &run,
        "--set",
        r#"reward.parts=[{rule="numeric",whn={}}]"#,
    ]);
    assert!(message.contains("whn"), "{message}");
    let none = r#"reward.parts=[{rule="numeric",when={set="y"}}]"#;
    let message = refused(&["--rollouts", &run, "--set", none]);
    assert!(
        message.contains("no part of the reward applies"),
        "{message}"
    );
    fs::remove_dir_all(rows.path("run/rollouts")).unwrap();
    let message = refused(&["--rollouts", &run]);
    assert!(message.contains("no rollouts/step_"), "{message}");
    assert!(refused(&[]).contains("--data"));
}
