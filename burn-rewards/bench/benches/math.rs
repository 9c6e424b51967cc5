//! Speed of the math verifier on one core.
//!
//! `cargo bench -p burn-rewards-bench`; `math_vs_python.py` times the same pairs in the Python
//! library. The bars: 100,000 short verdicts a second, 200 µs for a response of 16 KB, 10 ms for
//! the worst input.
#![allow(clippy::unwrap_used)]

use burn_rewards::math::{Gold, Profile, Verifier};
use divan::{Bencher, black_box, counter::ItemsCount};

fn main() {
    divan::main();
}

/// Answers as they are most of the time: a number, a fraction, a formula, a set, an interval.
const SHORT: [(&str, &str); 10] = [
    ("$42$", "\\boxed{42}"),
    ("$42$", "\\boxed{43}"),
    ("$\\frac{3}{4}$", "The answer is $0.75$."),
    (
        "$2\\sqrt{6}$",
        "The final answer is $\\sqrt{24}$. I hope it is correct.",
    ),
    ("$x^2+2x+1$", "So $\\boxed{(x+1)^2}$."),
    ("$1,2,3$", "\\boxed{\\{3,2,1\\}}"),
    ("$(0, 5]$", "$x \\in (0, 5]$"),
    ("$x=3$", "Answer: $3$"),
    ("$12\\text{ cm}$", "It is $12$ cm."),
    ("$\\frac{5\\pi}{6}$", "$\\boxed{\\frac{5\\pi}{6}}$"),
];

/// A verdict with the gold answer parsed before, as in training.
#[divan::bench]
fn short_verdicts(bencher: Bencher<'_, '_>) {
    let verifier = Verifier::new(Profile::MathVerify);
    let pairs: Vec<(Gold, &str)> = SHORT
        .iter()
        .map(|(g, p)| (verifier.parse_gold(g).unwrap(), *p))
        .collect();
    bencher
        .counter(ItemsCount::new(pairs.len()))
        .bench_local(|| {
            for (gold, pred) in &pairs {
                black_box(verifier.verify_gold(black_box(gold), black_box(pred)));
            }
        });
}

/// The same with both sides parsed every time.
#[divan::bench]
fn short_pairs(bencher: Bencher<'_, '_>) {
    let verifier = Verifier::new(Profile::MathVerify);
    bencher
        .counter(ItemsCount::new(SHORT.len()))
        .bench_local(|| {
            for (gold, pred) in &SHORT {
                black_box(verifier.verify(black_box(gold), black_box(pred)));
            }
        });
}

fn reasoning(bytes: usize, end: &str) -> String {
    let step = "First we note that $x^2 + 3x = 12$, so with $n = 4$ we get 7 or $\\frac{1}{2}$ of it. \
        Wait, let me check the answer again: the sum of 3, 4 and 5 is 12.\n";
    let mut text = step.repeat(bytes / step.len() + 1);
    text.truncate(bytes);
    text.push_str(end);
    text
}

/// A chain of thought of 16 KB that ends in a box, in an anchored answer, and in neither.
#[divan::bench(args = ["\n$\\boxed{42}$", "\nThe final answer is $42$.", "\nso 42"])]
fn response_of_16_kb(bencher: Bencher<'_, '_>, end: &str) {
    let verifier = Verifier::new(Profile::MathVerify);
    let gold = verifier.parse_gold("$42$").unwrap();
    let response = reasoning(16_384, end);
    bencher.bench_local(|| black_box(verifier.verify_gold(&gold, black_box(&response))));
}

/// Identities that only 192-bit arithmetic confirms.
#[divan::bench(args = [
    "\\ln 54 - \\ln 6|2\\ln 3",
    "\\cos 36^\\circ|\\frac{1+\\sqrt5}{4}",
    "\\sin 2x|2\\sin x\\cos x",
    "\\sqrt{10+4\\sqrt{6}}|2+\\sqrt{6}",
])]
fn confirmed(bencher: Bencher<'_, '_>, pair: &str) {
    let verifier = Verifier::new(Profile::MathVerify);
    let (gold, pred) = pair.split_once('|').unwrap();
    let gold = verifier.parse_gold(&format!("${gold}$")).unwrap();
    let pred = format!("${pred}$");
    assert!(verifier.verify_gold(&gold, &pred).is_equal());
    bencher.bench_local(|| black_box(verifier.verify_gold(&gold, black_box(&pred))));
}

/// Inputs made to take long; the gold answer is parsed too.
#[divan::bench(args = [
    "tower", "sum", "product", "nesting", "digits", "elements", "factorials", "logarithms", "boxes", "megabyte",
])]
fn hostile(bencher: Bencher<'_, '_>, kind: &str) {
    let (gold, pred) = match kind {
        "tower" => ("$x$".into(), "$x^{x^{x^{x^{x^{x^{x}}}}}}$".into()),
        "sum" => (
            "$1$".into(),
            "$\\sum_{k=1}^{1000000} \\sin k \\cdot \\ln k$".into(),
        ),
        "product" => ("$x$".into(), "$\\prod_{k=1}^{2000} (x+k)$".into()),
        "nesting" => (
            "$x$".into(),
            format!("${}x{}$", "(".repeat(5_000), ")".repeat(5_000)),
        ),
        "digits" => (
            format!("${}$", "7".repeat(9_000)),
            format!("$\\frac{{{}}}{{3}}$", "21".repeat(4_500)),
        ),
        "elements" => {
            let list = |n: u32| {
                (0..500)
                    .map(|i| format!("\\sqrt{{{}}}", i * 7 + n))
                    .collect::<Vec<_>>()
                    .join(",")
            };
            (format!("${}$", list(2)), format!("${}$", list(3)))
        }
        "factorials" => (
            "$1$".into(),
            "$\\frac{999!}{998!}+\\binom{1999}{999}-1000!$".into(),
        ),
        "logarithms" => (
            "$\\ln\\ln\\ln(x^2+7)+\\ln\\ln(y^2+9)$".into(),
            "$\\ln\\ln(9+y^2)+\\ln\\ln\\ln(7+x^2)+0\\cdot\\ln\\arctan z$".into(),
        ),
        "boxes" => ("$1$".into(), "\\boxed{1}, ".repeat(5_000)),
        _ => ("$1$".to_owned(), reasoning(1 << 20, "")),
    };
    let verifier = Verifier::new(Profile::MathVerify);
    bencher.bench_local(|| black_box(verifier.verify(black_box(&gold), black_box(&pred))));
}
