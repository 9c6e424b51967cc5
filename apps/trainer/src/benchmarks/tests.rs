//! Made-up rows in every published layout (`tests/golden/gen/make_benchmark_rows.py`), read, put and
//! judged.

use super::{Bench, Files, benches, find, marks, scores::Verdict};
use burn_rewards::{OnUnparsableGold, RewardFn, RewardInput};
use burn_rl::data::{DataRow, RowDataset, picture_bytes};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn rows_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/benchmarks/rows")
}

fn bench(name: &str) -> &'static Bench {
    find(name).unwrap()
}

fn open(name: &str, path: &Path) -> Result<RowDataset, String> {
    let set = bench(name).open(path, None, false, &[]);
    set.map_err(|e| e.to_string())
}

/// Whether the benchmark finds a response to a row right.
fn is_right(name: &str, row: &DataRow, response: &str) -> bool {
    let reward = bench(name).reward(false, OnUnparsableGold::Error).unwrap();
    let reward = reward.build().unwrap();
    let question = row.question();
    let mut input = row.reward_input(&question);
    input.response = response;
    reward.check_gold(&input).unwrap();
    reward.score(&input).unwrap().correct == Some(true)
}

/// What a row must come to: part of what is asked, the gold answer, how many pictures it shows, a
/// right response and a wrong one.
type Expected = (
    &'static str,
    &'static str,
    usize,
    &'static str,
    &'static str,
);

/// Reads the set in all its `forms`; each must come to the same.
#[track_caller]
fn check(name: &str, forms: &[&str], expected: &[Expected]) {
    for form in forms {
        let set = open(name, &rows_dir().join(format!("{name}.{form}"))).unwrap();
        assert_eq!(set.rows().len(), expected.len(), "{name}.{form}");
        for (row, (asked, gold, pictures, right, wrong)) in set.rows().iter().zip(expected) {
            let place = format!("{name}.{form}:{}", row.line);
            let question = row.question();
            assert!(question.contains(asked), "{place}: {question}");
            assert_eq!(row.answer.as_deref(), Some(*gold), "{place}");
            assert_eq!(row.images.len(), *pictures, "{place}");
            for picture in &row.images {
                let png = picture_bytes(picture).unwrap();
                assert!(png.starts_with(b"\x89PNG"), "{place}");
            }
            assert!(is_right(name, row, right), "{place}: {right}");
            assert!(!is_right(name, row, wrong), "{place}: {wrong}");
        }
        let told = bench(name).count_differs(set.total());
        assert_eq!(told.is_some(), !bench(name).splits.is_empty(), "{name}");
    }
}

#[test]
fn open_answers() {
    check(
        "geometry3k",
        &["parquet"],
        &[
            (
                "Find x.",
                r"3 \sqrt { 2 }",
                1,
                r"\boxed{3\sqrt2}",
                r"\boxed{3}",
            ),
            ("Find y.", "24", 1, r"$\boxed{24}$", r"24 or \boxed{42}"),
        ],
    );
    check(
        "countbenchqa",
        &["parquet"],
        &[("cups", "7", 1, r"\boxed{7}", r"\boxed{8}")],
    );
    check(
        "olympiadbench",
        &["parquet"],
        &[
            (
                "Find $x$ in  and .",
                "2,3",
                2,
                r"\boxed{3}, \boxed{2}",
                r"\boxed{2}",
            ),
            (
                "A ball falls.\nHow fast?",
                "3.14",
                1,
                r"\boxed{3.15}",
                r"\boxed{3.16}",
            ),
        ],
    );
}

#[test]
fn options_and_open_answers() {
    check(
        "mathvista",
        &["parquet", "tsv"],
        &[
            (
                "Question: Which?",
                "8/11",
                1,
                r"\boxed{B}",
                "<answer>3/11</answer>",
            ),
            (
                "one decimal",
                "1.2",
                1,
                "The answer is 1.23.",
                r"\boxed{1.3}",
            ),
        ],
    );
    check(
        "mathverse",
        &["parquet", "json", "tsv"],
        &[
            (
                "Reason first. Find angle 1.",
                "B",
                1,
                r"\boxed{B}",
                r"\boxed{A}",
            ),
            (
                "Reason first. Question:",
                "12.5",
                1,
                r"\boxed{\frac{25}{2}}",
                r"\boxed{12}",
            ),
        ],
    );
    check(
        "mathvision",
        &["parquet", "jsonl", "tsv"],
        &[
            ("How many?", "6", 1, r"\boxed{6}", r"\boxed{5}"),
            (
                "(A) a cube\n(B) a cone",
                "A",
                1,
                r"\boxed{\text{a cube}}",
                r"A? \boxed{B}",
            ),
        ],
    );
    check(
        "mmmu",
        &["parquet", "tsv"],
        &[
            (
                "(A) Yes\n(B) No, it isn't",
                "B",
                2,
                "The answer is B.",
                r"\boxed{A}",
            ),
            ("How many are in ?", "12", 1, r"\boxed{12}", r"\boxed{2}"),
        ],
    );
}

#[test]
fn options() {
    check(
        "mmk12",
        &["parquet"],
        &[
            ("Which is right?", "B", 1, r"\boxed{B}", r"\boxed{A}"),
            (
                "Which is larger?",
                "A",
                1,
                "<answer>A</answer>",
                "<answer>B</answer>",
            ),
        ],
    );
    check(
        "wemath",
        &["parquet", "json", "tsv"],
        &[
            ("(A) 4\n(B) 6\n(C) No", "A", 1, r"\boxed{A}", r"\boxed{6}"),
            ("How high?", "B", 1, r"\boxed{6}", r"\boxed{C}"),
            ("How large?", "C", 1, "Answer: C", "Answer: A"),
        ],
    );
    check(
        "logicvista",
        &["parquet", "tsv"],
        &[
            ("Which fits?", "B", 1, r"\boxed{B}", r"\boxed{D}"),
            ("Which two?", "A, D", 1, r"\boxed{D, A}", r"\boxed{A}"),
        ],
    );
    check(
        "mmstar",
        &["parquet", "tsv"],
        &[
            (
                "What is it?",
                "B",
                1,
                "<answer>a cup</answer>",
                "<answer>a pen</answer>",
            ),
            ("What colour?", "A", 1, r"\boxed{A}", ""),
        ],
    );
    check(
        "ai2d",
        &["parquet"],
        &[("(A) fox\n(B) hare", "B", 1, r"\boxed{B}", r"\boxed{A}")],
    );
}

/// Rows of text as Qwen2.5-Math's evaluation and the hub keep them: file, gold answers, a right and
/// a wrong response.
#[test]
fn sets_of_text() {
    for (name, row, gold, right, wrong) in [
        (
            "math500",
            r#"{"problem":"Q","solution":"s","answer":"\\frac{1}{2}","subject":"Algebra","level":1,"unique_id":"test/1.json"}"#,
            r"\frac{1}{2}",
            r"\boxed{0.5}",
            r"\boxed{2}",
        ),
        (
            "aime24",
            r#"{"ID":"2024-I-1","Problem":"Q","Solution":"s","Answer":33}"#,
            "33",
            r"\boxed{033}",
            r"\boxed{3}",
        ),
        (
            "aime25",
            r#"{"problem":"Q","answer":"70","id":"0"}"#,
            "70",
            r"\boxed{70}",
            "",
        ),
        (
            "amc23",
            r#"{"id":0,"question":"Q","answer":27.0}"#,
            "27.0",
            r"\boxed{27}",
            r"\boxed{26}",
        ),
        (
            "gsm8k",
            r#"{"question":"Q","answer":"2+2=<<2+2=4>>4\n#### 1,004"}"#,
            "1,004",
            r"\boxed{1004}",
            r"\boxed{4}",
        ),
        (
            "minerva",
            r#"{"problem":"Q","solution":"So \\boxed{1} is not it, \\boxed{3 \\times 10^{8}} is.","type":"Physics","idx":0}"#,
            r"3 \times 10^{8}",
            r"\boxed{3\cdot 10^8}",
            r"\boxed{1}",
        ),
        (
            "olympiadbench_text",
            r#"{"id":1,"question":"Q","final_answer":["$1,-1$"],"context":null,"error":null,"answer_type":"Numerical"}"#,
            "$1,-1$",
            r"\boxed{-1,1}",
            r"\boxed{1}",
        ),
        (
            "gaokao2023en",
            r#"{"question":"Q","answer":"$[0,1)$"}"#,
            "$[0,1)$",
            r"\boxed{[0,1)}",
            r"\boxed{[0,1]}",
        ),
        (
            "collegemath",
            r#"{"question":"Q","answer":"$x+1$","data_source":"d"}"#,
            "$x+1$",
            r"\boxed{1+x}",
            r"\boxed{x}",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("test.jsonl"), row).unwrap();
        fs::write(dir.path().join("train.jsonl"), "no row").unwrap();
        let set = open(name, dir.path()).unwrap();
        let first = &set.rows()[0];
        assert_eq!(first.answer.as_deref(), Some(gold), "{name}");
        assert!(first.question().starts_with('Q'), "{name}");
        assert!(is_right(name, first, right), "{name}: {right}");
        assert!(!is_right(name, first, wrong), "{name}: {wrong}");
    }
}

#[test]
fn pictures_come_in_the_order_in_which_a_question_marks_them() {
    let two = || vec![PathBuf::from("1"), PathBuf::from("2")];
    let placed = |question| marks::placed(question, two()).unwrap();
    let swapped = vec![PathBuf::from("2"), PathBuf::from("1")];
    assert_eq!(
        placed("Is <image 2> as <image_1>, <image 2>?"),
        ("Is <image> as <image>, image 2?".into(), swapped.clone())
    );
    // One that is not marked comes first.
    assert_eq!(placed("<image1>?"), ("<image><image>?".into(), swapped));
    assert_eq!(placed("<image> <image>"), ("<image> <image>".into(), two()));
    let message = marks::placed("<image 3>", two()).unwrap_err();
    assert_eq!(
        message,
        "the question marks image 3, and the row has 2 pictures"
    );
}

#[test]
fn what_is_no_row_of_the_set_is_said_with_file_and_line() {
    let good = r#"{"id":"1","question":"Q","options":[],"answer":"6"}"#;
    for (name, row, expected) in [
        (
            "mathvision",
            r#"{"question":"Q","answer":""}"#,
            "the row has no gold answer, expected it as `answer`",
        ),
        (
            "mathvision",
            r#"{"question":" ","answer":"1"}"#,
            "the row has no question, expected it as `question` or `problem`",
        ),
        (
            "mathvision",
            r#"{"question":"Q","options":["a","b"],"answer":"C"}"#,
            "`answer` is \"C\", expected the letter or the text of an option",
        ),
        (
            "mathvision",
            r#"{"question":"Q","options":3,"answer":"C"}"#,
            "`options` is 3, expected a list of options",
        ),
        (
            "mathvision",
            r#"{"question":"Q <image1>","answer":"1"}"#,
            "the question marks image 1, and the row has 0 pictures",
        ),
        (
            "mathvision",
            r#"{"question":"Q","image":"gone.png","answer":"1"}"#,
            "gone.png does not exist",
        ),
        (
            "mathvision",
            r#"{"question":"Q","image":3,"answer":"1"}"#,
            "`image` is 3, expected a picture or its path",
        ),
        (
            "ai2d",
            r#"{"question":"Q","options":["a","b"],"answer":"2"}"#,
            "`answer` is \"2\", expected the number of an option, 0 to 1",
        ),
        (
            "wemath",
            r#"{"question":"Q","option":"A. 1; B. 2","answer":"A","ID":"1"}"#,
            "the row has no `key`",
        ),
        (
            "minerva",
            r#"{"problem":"Q","solution":"3"}"#,
            "expected a text with a \\boxed{…}",
        ),
        (
            "mathverse",
            r#"{"question":"Q","answer":"1","question_type":"open"}"#,
            "nothing judges this row, expected `question_type` as multi-choice, or `question_type` as free-form",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("test.jsonl");
        let first = if name == "mathvision" { good } else { "" };
        fs::write(&file, format!("{first}\n{row}\n")).unwrap();
        let message = open(name, &file)
            .err()
            .unwrap_or_else(|| panic!("{name}: {row}"));
        assert!(
            message.contains(&format!("test.jsonl:2: {expected}"))
                || message.contains("test.jsonl:2:") && message.contains(expected),
            "{message}"
        );
    }
}

#[test]
fn the_files_of_a_directory_are_those_of_the_split() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let files = |split| Files::of(dir.path(), split).map(|files| files.0);
    let named = |names: &[&str]| names.iter().map(|name| at(name)).collect::<Vec<_>>();
    fs::write(at("README.md"), "").unwrap();
    assert!(files("test").is_err());
    fs::write(at("a.tsv"), "").unwrap();
    assert_eq!(files("test").unwrap(), named(&["a.tsv"]));
    fs::create_dir(at("data")).unwrap();
    for name in [
        "data/testmini-0.parquet",
        "data/test-1.parquet",
        "data/test-0.parquet",
    ] {
        fs::write(at(name), "").unwrap();
    }
    assert_eq!(
        files("test").unwrap(),
        named(&["data/test-0.parquet", "data/test-1.parquet"])
    );
    assert_eq!(
        files("testmini").unwrap(),
        named(&["data/testmini-0.parquet"])
    );
    let message = files("validation").unwrap_err().to_string();
    assert!(
        message.contains("4 files of rows and none that is called validation"),
        "{message}"
    );
    fs::remove_file(at("a.tsv")).unwrap();
    assert_eq!(files("validation").unwrap().len(), 3);
}

#[test]
fn wemath_counts_as_its_authors_do() {
    #[derive(serde::Deserialize)]
    struct Golden {
        rows: Vec<serde_json::Map<String, serde_json::Value>>,
        counts: std::collections::BTreeMap<String, f64>,
    }
    let text = include_str!("../../../../tests/golden/benchmarks/wemath.json");
    let golden: Golden = serde_json::from_str(text).unwrap();
    let verdicts: Vec<Verdict<'_>> = golden
        .rows
        .iter()
        .map(|kept| Verdict {
            kept,
            right: kept["joker"] == true,
        })
        .collect();
    let found = super::scores::wemath(&verdicts);
    let problems = golden.counts["problems"];
    for (ours, theirs) in [
        ("insufficient_knowledge", "InsufficientKnowledge"),
        ("inadequate_generalisation", "InadequateGeneralization"),
        ("complete_mastery_strict", "CompleteMastery_strict"),
        ("complete_mastery_loose", "CompleteMastery_loose"),
        ("rote_memorisation_strict", "RoteMemorization_strict"),
        ("rote_memorisation_loose", "RoteMemorization_loose"),
    ] {
        let (_, rate) = found.iter().find(|(name, _)| *name == ours).unwrap();
        let count = golden.counts[theirs];
        assert!(
            (rate * problems - count).abs() < 1e-9,
            "{ours}: {} {count}",
            rate * problems
        );
    }
}

#[test]
fn every_entry_is_whole() {
    let mut names = BTreeSet::new();
    for bench in benches() {
        assert!(names.insert(bench.name), "{} is there twice", bench.name);
        assert!(
            !bench.about.is_empty() && !bench.source.is_empty(),
            "{}",
            bench.name
        );
        assert!(
            !bench.differs.is_empty() && !bench.judges.is_empty(),
            "{}",
            bench.name
        );
        for direct in [false, true] {
            let reward = bench.reward(direct, OnUnparsableGold::Error).unwrap();
            reward
                .build()
                .unwrap_or_else(|e| panic!("{}: {e}", bench.name));
        }
        for template in [bench.reasoning, bench.direct] {
            assert_eq!(template.matches("{question}").count(), 1, "{}", bench.name);
        }
    }
}

/// `UPDATE_DOCS=1 cargo test -p trainer --lib documented` writes the table.
#[test]
fn every_benchmark_is_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/benchmarks.md");
    let text = fs::read_to_string(&path).unwrap();
    let mut table = String::from(
        "| benchmark | data | rows | rule | whose | what differs |\n|---|---|---|---|---|---|\n",
    );
    for bench in benches() {
        let rows = bench
            .splits
            .iter()
            .map(|(split, n)| format!("{n} ({split})"));
        let rows: Vec<String> = rows.collect();
        let rules = bench
            .rules()
            .iter()
            .map(|rule| format!("`{rule}`"))
            .collect::<Vec<_>>();
        table += &format!(
            "| `{}` | {} | {} | {} | {} | {} |\n",
            bench.name,
            bench.about,
            rows.join(", "),
            rules.join(", "),
            bench.source,
            bench.differs
        );
    }
    const BEGIN: &str = "<!-- table: benchmarks -->\n";
    const END: &str = "<!-- end -->";
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(found, table, "UPDATE_DOCS=1 writes it");
    }
}

/// Whether a benchmark counts `response` as right.
fn counts(name: &str, direct: bool, response: &str, gold: &str) -> bool {
    let reward = bench(name).reward(direct, OnUnparsableGold::Error).unwrap();
    let input = RewardInput::new(response, gold);
    reward.build().unwrap().score(&input).unwrap().correct == Some(true)
}

#[test]
fn a_count_is_right_or_wrong_and_stands_in_the_tag() {
    let count = |response| counts("superclevr", false, response, "20");
    assert!(count("<think>19?</think><answer> 20 </answer>"));
    assert!(!count("<answer>21</answer>"));
    assert!(!count("<answer>19</answer>"));
    assert!(!count("There are 20"));
    assert!(counts("superclevr", true, "There are 20", "20"));
    assert!(!counts("superclevr", true, "There are 21", "20"));
}

#[test]
fn a_measure_is_read_from_all_of_the_response() {
    let measure = |response| counts("geoqa", false, response, "140°");
    assert!(measure("<think>180-40</think><answer>140</answer>"));
    assert!(measure(r"so the angle is $140^\circ$"));
    assert!(!measure("<answer>40</answer>"));
}
