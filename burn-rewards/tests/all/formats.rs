//! Every format rule on generated responses: thoughts that are opened here or in the prompt,
//! thoughts without a word, and near misses.
#![allow(clippy::unwrap_used)] // Outside #[test] functions clippy sees no test.

use burn_rewards::{RewardInput, rules};
use serde_json::{Value, json};

/// The rules, and whether they need a thought.
const RULES: [(&str, bool); 6] = [
    ("answer_format", false),
    ("mm_eureka_instruct_format", true),
    ("mm_eureka_qwen_format", true),
    ("mm_eureka_zero_format", true),
    ("r1v_format", true),
    ("visual_thinker_format", true),
];

const OPEN: [&str; 3] = ["<think>", "<think>\n", "<|im_start|>assistant\n<think>\n\n"];
const CLOSED: [&str; 3] = ["", "<|im_start|>assistant\n", "<think>\n\n</think>\n\n"];
const THOUGHTS: [&str; 4] = ["a", "It is 5.", "\nfirst\nthen\n", "先看图"];
const EMPTY: [&str; 5] = ["", " ", "\n\n", "...", "\u{200b}—…"];
const ANSWERS: [&str; 3] = ["5", "\n5\n", "∞"];

fn options(name: &str) -> Value {
    match name {
        "mm_eureka_zero_format" => json!({"min_thought": 0}),
        "visual_thinker_format" => json!({"think_in_prompt": false}),
        _ => json!({}),
    }
}

fn holds(name: &str, response: &str, prompt_end: &str) -> bool {
    let rule = rules::find(name).unwrap();
    let built = rule.reward(options(name).as_object().unwrap()).unwrap();
    let input = RewardInput::new(response, "5").with_prompt_end(prompt_end);
    built.score(&input).unwrap().value > 0.0
}

#[test]
fn a_thought_counts_wherever_it_was_opened() {
    for (name, _) in RULES {
        for thought in THOUGHTS {
            for answer in ANSWERS {
                let rest = format!("{thought}</think>\n<answer>{answer}</answer>");
                let whole = format!("<think>{rest}");
                for end in OPEN {
                    assert!(holds(name, &rest, end), "{name} {end:?} {rest:?}");
                    assert!(holds(name, &whole, end), "{name} {end:?} {whole:?}");
                }
                for end in CLOSED {
                    assert!(!holds(name, &rest, end), "{name} {end:?} {rest:?}");
                    assert!(holds(name, &whole, end), "{name} {end:?} {whole:?}");
                }
            }
        }
    }
}

#[test]
fn a_thought_without_a_word_is_no_thought() {
    for (name, needs_thought) in RULES {
        for empty in EMPTY {
            let rest = format!("{empty}</think><answer>5</answer>");
            let whole = format!("<think>{rest}");
            assert_eq!(holds(name, &whole, ""), !needs_thought, "{name} {whole:?}");
            for end in OPEN {
                assert_eq!(holds(name, &rest, end), !needs_thought, "{name} {rest:?}");
            }
        }
        let none = "<answer>5</answer>";
        assert_eq!(holds(name, none, ""), !needs_thought, "{name}");
        for end in OPEN {
            assert!(
                !holds(name, none, end),
                "{name}: the thought is never closed"
            );
        }
    }
}

#[test]
fn near_misses_have_no_format_however_the_prompt_ends() {
    for (name, _) in RULES {
        for rest in [
            "a<answer>5</answer>",
            "a</think>",
            "a</think>5",
            "a</think><answer></answer>",
            "a</think><answer> \n</answer>",
            "a</think><answer>5",
            "a</think>so<answer>5</answer>",
            "a</think><answer>5</answer><answer>5</answer>",
            "a</think>b</think><answer>5</answer>",
            "a<think>b</think><answer>5</answer>",
            "<answer>5</answer>a</think>",
        ] {
            let whole = format!("<think>{rest}");
            assert!(!holds(name, &whole, ""), "{name} {whole:?}");
            for end in OPEN {
                assert!(!holds(name, rest, end), "{name} {end:?} {rest:?}");
            }
        }
    }
}

/// The originals do not look at the prompt and are content with an empty thought.
#[test]
fn the_compatible_forms_keep_their_faults() {
    for (name, _) in &RULES[1..] {
        let rule = rules::find(name).unwrap();
        let mut options = options(name);
        options["compat"] = true.into();
        let built = rule.reward(options.as_object().unwrap()).unwrap();
        let value = |response: &str, end: &str| {
            let input = RewardInput::new(response, "5").with_prompt_end(end);
            built.score(&input).unwrap().value
        };
        assert!(
            value("<think> </think><answer>5</answer>", "") > 0.0,
            "{name}"
        );
        assert_eq!(
            value("a</think><answer>5</answer>", "<think>"),
            0.0,
            "{name}"
        );
    }
}
