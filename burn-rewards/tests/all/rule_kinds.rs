//! Kinds of answers that rules beside the plain verifier misjudged: for each, generated right answers
//! are paid and near misses are not.
#![allow(clippy::unwrap_used)] // Outside #[test] functions clippy sees no test.

use burn_rewards::{
    RewardInput,
    math::{Profile, Verifier},
    rules,
};
use serde_json::Map;

/// Whether the rule pays a response; a gold answer that it refuses pays nothing.
fn pays(rule: &str, gold: &str, response: &str) -> bool {
    let built = rules::find(rule).unwrap().reward(&Map::new()).unwrap();
    let input = RewardInput::new(response, gold);
    built.check_gold(&input).is_ok() && built.score(&input).is_ok_and(|reward| reward.value > 0.0)
}

#[track_caller]
fn judge(profile: Profile, gold: &str, response: &str, expected: bool) {
    let paid = Verifier::new(profile).verify(gold, response).is_equal();
    assert_eq!(paid, expected, "gold {gold:?}, response {response:?}");
}

/// Answers as papers and exercises write them, of two numbers.
const FORMS: [&str; 9] = [
    "x>A",
    r"x \le A",
    "(A,B)",
    "[A, B)",
    r"A \text{ or } B",
    "Aπ",
    r"A\sqrt{B}",
    r"\frac{A}{B}",
    "x=A, y=B",
];

#[test]
fn the_gold_answer_itself_is_right_in_the_tag() {
    const RULE: &str = "mm_eureka_qwen_accuracy";
    for form in FORMS {
        for (a, b) in [(2, 3), (7, 11), (18, 5)] {
            let fill = |a: i32, b: i32| {
                form.replace('A', &a.to_string())
                    .replace('B', &b.to_string())
            };
            let said = |answer: String| format!("<think>x</think><answer>{answer}</answer>");
            let gold = fill(a, b);
            assert!(pays(RULE, &gold, &said(gold.clone())), "{gold}");
            let miss = fill(a + 1, b);
            assert!(!pays(RULE, &gold, &said(miss.clone())), "{miss} for {gold}");
        }
    }
}

#[test]
fn large_sums_and_factorials_are_computed() {
    for (base, divisor) in [(2, 1), (3, 2), (5, 4)] {
        for n in [1, 6, 64, 300, 2024] {
            let gold = match divisor {
                1 => format!("{base}^{{{n}}}-1"),
                _ => format!("\\frac{{{base}^{{{n}}}-1}}{{{divisor}}}"),
            };
            let sum = |last| format!("\\boxed{{\\sum_{{k=0}}^{{{last}}} {base}^k}}");
            judge(Profile::MathVerify, &gold, &sum(n - 1), true);
            judge(Profile::MathVerify, &gold, &sum(n), false);
        }
    }
    for n in [3, 10, 99, 2004] {
        let gold = format!("$\\frac{{1}}{{{n}!}}$");
        let of = |top, below| format!("$\\frac{{{top}}}{{{below}!}}$");
        judge(Profile::MathVerify, &gold, &of(n + 1, n + 1), true);
        judge(Profile::MathVerify, &gold, &of(n + 2, n + 1), false);
        judge(Profile::MathVerify, &gold, &of(n, n + 1), false);
    }
}

#[test]
fn short_fractions_and_divisions_are_read_inside_sums() {
    for (short, division, decimal, miss) in [
        (r"\frac12", r"1 \div 2", "0.5", r"\frac13"),
        (r"\frac34", r"3 \div 4", "0.75", r"\frac43"),
        (r"\frac15", r"1 \div 5", "0.2", r"\frac51"),
    ] {
        for rest in ["x", r"\pi", r"\frac{\pi}{8}", "3y"] {
            let gold = format!("{decimal}+{rest}");
            for fraction in [short, division] {
                for answer in [format!("{fraction}+{rest}"), format!("{rest} + {fraction}")] {
                    judge(
                        Profile::Prm800k,
                        &gold,
                        &format!("\\boxed{{{answer}}}"),
                        true,
                    );
                }
            }
            let wrong = format!("\\boxed{{{miss}+{rest}}}");
            judge(Profile::Prm800k, &gold, &wrong, false);
        }
    }
}

#[test]
fn white_space_inside_an_exact_answer_does_not_matter() {
    for gold in ["African Wild Dog", "a b", "the red one of two"] {
        for space in ["  ", "\n", "\t ", " \n "] {
            let dressed = gold.replace(' ', space);
            for (gold, answer) in [(gold, dressed.as_str()), (dressed.as_str(), gold)] {
                assert!(
                    pays("answer_exact", gold, &format!("<answer>{answer}</answer>")),
                    "{answer:?}"
                );
            }
        }
        // Words are not joined.
        let joined = gold.replace(' ', "");
        assert!(!pays(
            "answer_exact",
            gold,
            &format!("<answer>{joined}</answer>")
        ));
    }
}

#[test]
fn an_empty_gold_answer_pays_nobody() {
    let accuracies = [
        "math",
        "mm_eureka_instruct_accuracy",
        "mm_eureka_qwen_accuracy",
        "mm_eureka_zero_accuracy",
        "visual_thinker_accuracy",
        "r1v_accuracy",
        "numeric",
        "answer_exact",
        "simple_rl_zoo",
    ];
    for rule in accuracies {
        for gold in [
            "",
            " ",
            "\\boxed{}",
            "\\boxed{ }",
            "$$",
            "<answer></answer>",
        ] {
            for response in [
                "",
                "\\boxed{}",
                "<answer></answer>",
                "<think>x</think><answer> </answer>",
                gold,
            ] {
                assert!(
                    !pays(rule, gold, response),
                    "{rule}: {response:?} for {gold:?}"
                );
            }
        }
    }
}
