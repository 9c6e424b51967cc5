//! Any string is a legal response: nothing panics, nothing hangs, and the same string gets the
//! same reward.
#![allow(clippy::unwrap_used)] // Outside #[test] functions clippy sees no test.

use burn_rewards::{RULES, RewardFn, RewardInput};
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

/// Every rule that runs in this process, also in its compatible form.
fn rules() -> Vec<(String, Box<dyn RewardFn>)> {
    let mut all = vec![];
    for rule in RULES
        .iter()
        .filter(|r| !["command", "http", "chat_judge"].contains(&r.name))
    {
        all.push((rule.name.to_owned(), rule.reward(&Map::new()).unwrap()));
        if rule.options.iter().any(|(name, _)| *name == "compat") {
            let compat = Map::from_iter([("compat".to_owned(), Value::Bool(true))]);
            all.push((
                format!("{} compat", rule.name),
                rule.reward(&compat).unwrap(),
            ));
        }
    }
    let tag = json!({"answer_in": "answer_tag"});
    let math = RULES.iter().find(|r| r.name == "math").unwrap();
    all.push((
        "math in tag".into(),
        math.reward(tag.as_object().unwrap()).unwrap(),
    ));
    all
}

fn score(rule: &dyn RewardFn, response: &str, gold: &str, prompt: &str) -> Option<f64> {
    let input = RewardInput::new(response, gold)
        .with_prompt(prompt)
        .with_response_tokens(response.len());
    rule.score(&input).ok().map(|scored| scored.value)
}

/// xorshift64*
struct Dice(u64);

impl Dice {
    fn roll(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % n
    }
}

#[test]
fn strings_out_of_all_that_rules_look_for() {
    const PIECES: [&str; 44] = [
        "<think>",
        "</think>",
        "<answer>",
        "</answer>",
        "<answer",
        "\\boxed{",
        "\\boxed",
        "boxed",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "$",
        "\\frac",
        "A",
        "(B)",
        "b",
        "é",
        "ß",
        "\u{1c}",
        "\u{a0}",
        "\n",
        " ",
        ".",
        ",",
        "-",
        "−",
        "1",
        "0.5",
        "1,000",
        "1e999",
        "%",
        "answer is",
        "Answer:",
        "final answer is",
        "\\text{",
        "^",
        "_",
        "\0",
        "\u{10ffff}",
        "İ",
        "ﬁ",
    ];
    let rules = rules();
    let mut dice = Dice(0x5eed);
    for _ in 0..1500 {
        let mut text = || -> String {
            let n = dice.roll(12);
            (0..n).map(|_| PIECES[dice.roll(PIECES.len())]).collect()
        };
        let (response, gold, prompt) = (text(), text(), text());
        for (name, rule) in &rules {
            let first = score(&**rule, &response, &gold, &prompt);
            let again = score(&**rule, &response, &gold, &prompt);
            assert_eq!(first, again, "{name}: {response:?} {gold:?}");
            assert!(
                first.is_none_or(f64::is_finite),
                "{name}: {response:?} {gold:?}"
            );
        }
    }
}

/// For three verdicts on 64 KiB. What is quadratic in them takes more on any machine.
const LIMIT: Duration = Duration::from_secs(5);

#[test]
fn long_strings_take_time_in_proportion() {
    // Each is the worst for something: tags that never close, boxes inside boxes, one long word,
    // letters that might be options, numbers without end.
    let pieces = [
        "<answer>",
        "</answer>",
        "<answer></answer>\n",
        "<think>",
        "\\boxed{",
        "}",
        "{",
        "(A) ",
        "A ",
        "A.",
        "[1,2,3,4]",
        "[",
        "1,000,",
        "9",
        "x",
        " ",
        "$",
        "$1$ ",
        "answer is ",
        "é",
        "\\",
    ];
    rules().par_iter().for_each(|(name, rule)| {
        for piece in pieces {
            let text = piece.repeat((1 << 16) / piece.len());
            // A machine that is busy with something else is given another chance.
            let once = || {
                let start = Instant::now();
                for gold in ["2", "B", "[0,0,1,1]"] {
                    score(&**rule, &text, gold, "");
                }
                start.elapsed()
            };
            let took = (0..4).map(|_| once()).find(|t| *t < LIMIT);
            assert!(took.is_some(), "{name}: {piece:?} took more than {LIMIT:?}");
        }
    });
}
