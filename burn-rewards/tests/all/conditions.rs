//! Parts that judge some rows and steps only.
#![allow(clippy::unwrap_used)] // Outside #[test] functions clippy sees no test.

use burn_rewards::{Composite, RewardConfig, RewardError, RewardFn, RewardInput};
use serde_json::{Map, Value, json};

fn config(parts: Value) -> RewardConfig {
    serde_json::from_value(json!({"parts": parts})).unwrap()
}

fn reward(parts: Value) -> Composite {
    config(parts).build().unwrap()
}

fn refusal(parts: Value) -> String {
    config(parts).build().err().unwrap().to_string()
}

fn fields(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// Letters for one set, numbers for the other, and a format that counts for a while.
fn mixed() -> Value {
    json!([
        {"rule": "answer_exact", "when": {"set": "letters"}},
        {"rule": "numeric", "when": {"set": ["numbers", "more"]}},
        {"rule": "answer_format", "weight": 0.5, "until_step": 10},
        {"rule": "ngram_repetition", "from_step": 11, "when": {"field": {"long": true}}},
    ])
}

#[test]
fn what_does_not_apply_is_no_part_and_no_zero() {
    let reward = reward(mixed());
    assert_eq!(reward.part_names(), ["accuracy", "format", "repetition"]);
    let names = |set: &str, step: u64, long: Value| {
        let row = fields(json!({"long": long}));
        let input = RewardInput::new("<answer>2</answer>", "2");
        let input = input.with_set(set).with_step(step).with_fields(&row);
        let scored = reward.score(&input).unwrap();
        let names: Vec<String> = scored.parts.iter().map(|(name, _)| name.clone()).collect();
        (names.join(" "), scored.value)
    };
    assert_eq!(
        names("letters", 10, json!(true)),
        ("accuracy format".into(), 1.5)
    );
    assert_eq!(
        names("numbers", 11, json!(true)),
        ("accuracy repetition".into(), 1.0)
    );
    assert_eq!(names("more", 11, json!(false)), ("accuracy".into(), 1.0));
    assert_eq!(names("none", 10, json!(false)), ("format".into(), 0.5));
}

#[test]
fn a_row_without_any_part_is_an_error_and_never_a_zero() {
    let reward = reward(mixed());
    let input = RewardInput::new("x", "2").with_set("nmbers").with_step(11);
    let error = reward.score(&input).unwrap_err();
    assert!(
        matches!(error, RewardError::NotApplicable { .. }),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .contains("the data set `nmbers` at step 11"),
        "{error}"
    );
    // Before training the step does not matter: the format judges the row at some.
    assert!(reward.check_gold(&input).is_ok());
    let only = config(json!([{"rule": "numeric", "when": {"set": "numbers"}}]));
    let message = only
        .build()
        .unwrap()
        .check_gold(&input)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("no part of the reward applies"),
        "{message}"
    );
}

#[test]
fn a_gold_answer_is_looked_at_by_the_parts_that_judge_its_row() {
    let reward = reward(mixed());
    let check = |set: &str, gold: &str| {
        let row = RewardInput::new("", gold);
        reward.check_gold(&row.with_set(set)).is_ok()
    };
    assert!(check("letters", "red") && !check("numbers", "red") && check("numbers", "3"));
}

#[test]
fn outside_of_training_the_reward_is_that_after_the_last_step() {
    let reward = reward(mixed());
    let row = fields(json!({"long": true}));
    let input = RewardInput::new("<answer>2</answer>", "2").with_set("numbers");
    let scored = reward.score(&input.with_fields(&row)).unwrap();
    let names: Vec<&str> = scored.parts.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["accuracy", "repetition"]);
}

#[test]
fn a_gate_that_does_not_apply_is_open() {
    let reward = reward(json!([
        {"rule": "answer_exact", "gate": "format"},
        {"rule": "answer_format", "weight": 0.0, "when": {"set": "strict"}},
    ]));
    let value = |set: &str| {
        let input = RewardInput::new("so <answer>2</answer>", "2");
        reward.score(&input.with_set(set)).unwrap().value
    };
    assert_eq!((value("strict"), value("free")), (0.0, 1.0));
}

/// Whatever sets and steps a batch mixes, each row gets what it gets alone.
#[test]
fn a_mixed_batch_is_its_rows() {
    let reward = reward(mixed());
    let row = fields(json!({"long": true}));
    let inputs: Vec<RewardInput<'_>> = (0..300)
        .map(|i| {
            let set = ["letters", "numbers", "more", "none"][i % 4];
            let text = ["<answer>2</answer>", "<answer>3</answer>", "2"][i % 3];
            let gold = if i % 11 == 0 { "" } else { "2" };
            let input = RewardInput::new(text, gold)
                .with_set(set)
                .with_step(i as u64 % 21);
            if i % 5 == 0 {
                input.with_fields(&row)
            } else {
                input
            }
        })
        .collect();
    let batch = reward.score_batch(&inputs);
    assert_eq!(batch.len(), inputs.len());
    for (input, scored) in inputs.iter().zip(&batch) {
        assert_eq!(*scored, reward.score(input));
    }
    let kinds = |f: fn(&Result<_, RewardError>) -> bool| batch.iter().filter(|r| f(r)).count();
    assert!(kinds(Result::is_ok) > 100);
    assert!(kinds(|r| matches!(r, Err(RewardError::Gold { .. }))) > 0);
    assert!(kinds(|r| matches!(r, Err(RewardError::NotApplicable { .. }))) > 0);
}

#[test]
fn one_name_may_stand_for_parts_that_never_meet() {
    let two = |a: Value, b: Value| json!([{"rule": "answer_exact", "when": a}, {"rule": "numeric", "when": b}]);
    let kind = |value: &str| json!({"field": {"kind": value}});
    assert!(config(two(kind("a"), kind("b"))).build().is_ok());
    let message = refusal(two(kind("a"), json!({"set": "s"})));
    assert!(
        message.contains("two parts are named `accuracy` and can judge the same response"),
        "{message}"
    );
    let steps = json!([
        {"rule": "answer_exact", "until_step": 5},
        {"rule": "numeric", "from_step": 6},
    ]);
    assert!(config(steps).build().is_ok());
}

#[test]
fn what_makes_no_sense_is_refused_with_the_nearest_name() {
    let one = |more: Value| {
        let mut part = json!({"rule": "numeric"});
        part.as_object_mut().unwrap().extend(fields(more));
        json!([part])
    };
    let message = refusal(one(json!({"from_step": 5, "until_step": 4})));
    assert!(
        message.contains("from_step is 5 and until_step 4"),
        "{message}"
    );
    let message = refusal(one(json!({"when": {"field": {"kind": []}}})));
    assert!(message.contains("when.field.kind is empty"), "{message}");
    let message = refusal(one(json!({"when": {"set": 3}})));
    assert!(message.contains("when.set is 3"), "{message}");

    let config = config(one(
        json!({"when": {"set": "geo3k", "field": {"lvl.a": 1, "kind": 2}}}),
    ));
    assert!(config.check_sets(&["geo3k", "clevr"]).is_ok());
    let message = config
        .check_sets(&["geo3", "clevr"])
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("`numeric`") && message.contains("did you mean `geo3`?"),
        "{message}"
    );
    assert!(config.check_fields(&["lvl", "kind"]).is_ok());
    let message = config
        .check_fields(&["lvl", "kinds"])
        .unwrap_err()
        .to_string();
    assert!(message.contains("did you mean `kinds`?"), "{message}");
}

#[test]
fn a_condition_is_written_as_it_is_read() {
    let parts = json!([{"rule": "numeric", "weight": 1.0, "from_step": 3,
        "when": {"set": "a", "field": {"kind": ["x", 2, true]}}}]);
    let back = serde_json::to_value(config(parts.clone())).unwrap();
    assert_eq!(back["parts"], parts);
}
