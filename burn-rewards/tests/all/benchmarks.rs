//! Rules of benchmarks, against the verdicts of their authors' functions on made-up answers
//! (`tests/golden/gen/make_benchmark_scorers.py`).
#![allow(clippy::unwrap_used)] // Outside #[test] functions clippy sees no test.

use burn_rewards::{RewardInput, rules};
use serde_json::{Map, Value, json};

/// Whether the rule `name` finds `response` right.
fn right(name: &str, fields: &Value, gold: &str, response: &str) -> bool {
    let rule = rules::find(name).unwrap().reward(&Map::new()).unwrap();
    let input = RewardInput::new(response, gold).with_fields(fields.as_object().unwrap());
    rule.score(&input).unwrap().correct == Some(true)
}

/// A difference from the authors that is meant: gold answer, response, why.
type Meant = (&'static str, &'static str, &'static str);

/// All `found` differences are meant, and all that are meant are found.
#[track_caller]
fn check(mut found: Vec<(String, String)>, meant: &[Meant], cases: usize, least: usize) {
    assert!(cases >= least, "{cases} cases");
    let mut expected: Vec<_> = meant
        .iter()
        .map(|(g, r, _)| ((*g).into(), (*r).into()))
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn mathvista_compares_as_its_authors_do() {
    let text = include_str!("../../../tests/golden/benchmarks/mathvista.json");
    let cases: Vec<(Value, String, String, bool)> = serde_json::from_str(text).unwrap();
    let mut found = vec![];
    for (row, gold, answer, expected) in &cases {
        let response = format!("<think>x</think><answer>{answer}</answer>");
        if right("mathvista", row, gold, &response) != *expected {
            found.push((gold.clone(), answer.clone()));
        }
    }
    check(found, &[], cases.len(), 300);
}

#[test]
fn mathvista_finds_the_answer_that_a_response_states() {
    let float = json!({"question_type": "free_form", "answer_type": "float", "precision": "1.0"});
    for response in [
        r"so $\boxed{0.6}$",
        r"<answer>$\boxed{\text{0.6}}$.</answer>",
        "The answer is 0.6.",
        "<answer>0.6 m</answer>",
        "<answer>0.62</answer>",
    ] {
        assert!(right("mathvista", &float, "0.6", response), "{response}");
    }
    for response in [
        "0.6",
        "",
        "The answer is 0.7",
        "<answer>0.6 or 0.7</answer>",
    ] {
        assert!(!right("mathvista", &float, "0.6", response), "{response}");
    }
    // As VLMEvalKit's table writes the options.
    let choice = json!({"question_type": "multi_choice", "choices": "['é(', '(b) it', \"c's\"]"});
    assert!(right("mathvista", &choice, "c's", r"\boxed{C}"));
    assert!(right("mathvista", &choice, "é(", "<answer>é(</answer>"));
    assert!(!right("mathvista", &choice, "c's", "I do not know"));
}

#[test]
fn olympiadbench_judges_as_its_authors_do() {
    let text = include_str!("../../../tests/golden/benchmarks/olympiadbench.json");
    let cases: Vec<(String, Option<String>, String, bool)> = serde_json::from_str(text).unwrap();
    let mut found = vec![];
    for (gold, error, response, expected) in &cases {
        if right("olympiadbench", &json!({ "error": error }), gold, response) != *expected {
            found.push((gold.clone(), response.clone()));
        }
    }
    // An expression is compared as it is, not within the row's tolerance.
    const COMPUTED: &str = "the authors compute pi and compare within 0.01";
    let meant: Vec<Meant> = [
        "First $x=7$.\nThen $\\pi$",
        "So the final answer is $\\boxed{\\pi}$.",
        "We get $\\boxed{\\pi}$.",
    ]
    .map(|response| ("3.14", response, COMPUTED))
    .into();
    check(found, &meant, cases.len(), 100);
}

#[test]
fn lmms_reasoning_judges_as_lmms_eval_does() {
    let text = include_str!("../../../tests/golden/benchmarks/lmms_reasoning.json");
    let cases: Vec<(String, String, bool)> = serde_json::from_str(text).unwrap();
    let mut found = vec![];
    for (gold, response, expected) in &cases {
        if right("lmms_reasoning", &json!({}), gold, response) != *expected {
            found.push((gold.clone(), response.clone()));
        }
    }
    // math-verify reads no formula that stands bare; our verifier does, in its compatible form too.
    const BARE: &str = "math-verify finds nothing to compare";
    let meant: Vec<Meant> = [
        "<answer>1+x</answer>",
        "<answer>1+x</answer><answer>B</answer>",
        "\\boxed{1+x}",
    ]
    .map(|response| ("x+1", response, BARE))
    .into();
    check(found, &meant, cases.len(), 1900);
    // Its known faults are here too.
    let tag = |gold, answer| {
        right(
            "lmms_reasoning",
            &json!({}),
            gold,
            &format!("<answer>{answer}</answer>"),
        )
    };
    assert!(tag("Circle", "Cube") && tag("1234567890", "123456789"));
    assert!(right("lmms_reasoning", &json!({}), "3", "so x = -3."));
}

#[test]
fn a_row_that_the_rule_cannot_judge_is_refused() {
    for (name, fields, gold, expected) in [
        (
            "mathvista",
            json!({"answer_type": "float"}),
            "1.5",
            "`precision`",
        ),
        (
            "mathvista",
            json!({"answer_type": "number"}),
            "1.5",
            "`answer_type` of the row is number",
        ),
        (
            "mathvista",
            json!({"answer_type": "integer"}),
            "six",
            "expected a number",
        ),
        (
            "mathvista",
            json!({"question_type": "multi_choice", "choices": ["a", "b"]}),
            "c",
            "`choices`",
        ),
        (
            "olympiadbench",
            json!({"error": "small"}),
            "1",
            "`error` of the row",
        ),
        ("olympiadbench", json!({}), " ", "not empty"),
    ] {
        let rule = rules::find(name).unwrap().reward(&Map::new()).unwrap();
        let input = RewardInput::new("", gold).with_fields(fields.as_object().unwrap());
        let message = rule.check_gold(&input).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}
