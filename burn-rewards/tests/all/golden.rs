//! The seed systems' rewards, as `tests/golden/gen/make_rewards.py` computes them.
#![allow(clippy::unwrap_used)] // Outside #[test] functions clippy sees no test.

use burn_rewards::{RewardFn, RewardInput, rules};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Golden {
    rules: Vec<RuleOf>,
    cases: Vec<(usize, String, String, Option<usize>, f64)>,
}

#[derive(Deserialize)]
struct RuleOf {
    rule: String,
    options: Map<String, Value>,
}

#[test]
fn values_are_those_of_the_originals() {
    let text = include_str!("../../../tests/golden/rewards/cases.json");
    let golden: Golden = serde_json::from_str(text).unwrap();
    let build = |of: &RuleOf| rules::find(&of.rule).unwrap().reward(&of.options).unwrap();
    let built: Vec<Box<dyn RewardFn>> = golden.rules.iter().map(build).collect();
    let mut wrong = vec![];
    for (rule, response, gold, tokens, expected) in &golden.cases {
        let mut input = RewardInput::new(response, gold);
        input.response_tokens = *tokens;
        let value = built[*rule].score(&input).unwrap().value;
        if (value - expected).abs() > 1e-12 {
            let rule = &golden.rules[*rule].rule;
            wrong.push(format!(
                "{rule} {response:?} {gold:?}: {value}, expected {expected}"
            ));
        }
    }
    let n = golden.cases.len();
    assert!(n > 5000, "{n}");
    assert!(
        wrong.is_empty(),
        "{} of {n}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
