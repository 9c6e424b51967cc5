//! Hostile answers: every one gets a verdict, none a wrong one. How long they may take is measured
//! by the benchmark and the fuzzer; here the work limit must be what ends them.
#![allow(clippy::unwrap_used)]

use burn_rewards::math::{Outcome, Profile, Verdict, Verifier};
use rayon::prelude::*;

fn verdict(gold: &str, pred: &str) -> Outcome {
    Verifier::new(Profile::MathVerify).verify(gold, pred)
}

#[test]
fn forgeries_of_the_modular_test() {
    // Each holds modulo 2^61 - 1 for every value of the variables.
    for (gold, pred) in [
        ("$1$", "$2^{61n}$"),
        ("$1$", "$2^{61000000}$"),
        ("$1$", "$x^{2305843009213693950}$"),
        ("$x$", "$x^{2305843009213693951}$"),
        ("$0$", "$2305843009213693951$"),
        ("$0$", "$2305843009213693951x$"),
        ("$y$", "$y+(2^{61}-1)x$"),
        ("$1$", "$(x^{1152921504606846975})^2$"),
        ("$1$", "$((x^{2147483648})^{2147483648})^{2}/x^{4}$"),
    ] {
        assert!(!verdict(gold, pred).is_equal(), "{gold} against {pred}");
    }
}

#[test]
fn almost_equal_is_not_equal() {
    for (gold, pred) in [
        ("$e^{\\pi\\sqrt{163}}$", "$262537412640768744$"),
        ("$\\sqrt{2}+\\frac{1}{10^{50}}$", "$\\sqrt{2}$"),
        ("$\\pi$", "$\\frac{355}{113}$"),
        ("$\\frac{1}{3}$", "$\\frac{333333333333333333333}{10^{21}}$"),
        ("$2^{1000000}$", "$2^{1000000}+1$"),
        ("$9^{9^{9}}$", "$9^{9^{8}}$"),
    ] {
        assert!(!verdict(gold, pred).is_equal(), "{gold} against {pred}");
    }
}

/// Whatever the order of the variables at the first points, they are in the other at some.
#[test]
fn values_that_differ_in_one_order_only() {
    for (a, b) in [
        ("a", "b"),
        ("x", "y"),
        ("m", "n"),
        ("p", "q"),
        ("s", "t"),
        ("u", "v"),
    ] {
        for (one, other) in [(a, b), (b, a)] {
            for (gold, pred) in [
                (format!("${one}$"), format!("$\\max({one},{other})$")),
                (format!("${one}$"), format!("$\\min({one},{other})$")),
                (format!("${one}-{other}$"), format!("$|{one}-{other}|$")),
                (
                    format!("${one}-{other}$"),
                    format!("$\\sqrt{{({one}-{other})^2}}$"),
                ),
            ] {
                assert!(!verdict(&gold, &pred).is_equal(), "{gold} against {pred}");
            }
        }
    }
    assert!(verdict("$\\max(a,b)$", "$\\frac{a+b+|a-b|}{2}$").is_equal());
    assert!(verdict("$|a-b|$", "$\\sqrt{(b-a)^2}$").is_equal());
}

#[test]
fn huge_values_are_compared_without_being_written_out() {
    for (gold, pred) in [
        ("$2^{1000000}$", "$4^{500000}$"),
        ("$(x+1)^{100000}$", "$(1+x)^{100000}$"),
        ("$\\frac{1000!}{998!}$", "$999000$"),
        ("$\\sum_{k=1}^{100000} k$", "$5000050000$"),
        (
            "$\\binom{2000}{1000}$",
            "$\\frac{2000!}{1000! \\cdot 1000!}$",
        ),
    ] {
        let outcome = verdict(gold, pred);
        assert_ne!(
            outcome.verdict,
            Verdict::Different,
            "{gold} against {pred}: {outcome:?}"
        );
    }
    assert!(verdict("$2^{1000000}$", "$4^{500000}$").is_equal());
}

#[test]
fn size_and_depth_end_in_a_verdict() {
    let mut inputs = Vec::new();
    for depth in [50, 500, 20_000] {
        for (open, close) in [
            ("(", ")"),
            ("{", "}"),
            ("\\sqrt{", "}"),
            ("\\frac{1}{", "}"),
            ("|", "|"),
            ("x^{", "}"),
            ("[", "]"),
        ] {
            inputs.push(format!("{}x{}", open.repeat(depth), close.repeat(depth)));
            inputs.push(format!("{}x", open.repeat(depth)));
        }
    }
    for piece in [
        "1+", "x\\cdot ", "\\boxed{", "$1$ ", "answer: ", "1,", "\\sin ", "-", "!", "\\\\", "9",
        "\u{200b}", "is ",
    ] {
        inputs.push(piece.repeat(3_000));
    }
    inputs.push("9".repeat(1 << 20));
    inputs.push("\\boxed{".repeat(1 << 17));
    inputs.push("The answer is $x$. ".repeat(1 << 15));
    let verifiers = Profile::ALL.map(Verifier::new);
    inputs.par_iter().for_each(|text| {
        for verifier in &verifiers {
            let wrapped = format!("The answer is $\\boxed{{{text}}}$");
            assert_ne!(verifier.verify("$12345$", &wrapped).verdict, Verdict::Equal);
            verifier.verify(&wrapped, text);
        }
    });
}

#[test]
fn towers_run_out_of_work_not_of_time() {
    for text in [
        "9^{9^{9^{9^{9}}}}",
        "e^{e^{e^{e^{e^{x}}}}}",
        "x^{x^{x^{x^{2562562562562562562}}}}",
        "\\sum_{k=1}^{1000000000} \\sin k",
        "\\prod_{k=1}^{100000} (x+k)^{k}",
        "\\sum_{a=1}^{900}\\sum_{b=1}^{900}\\sum_{c=1}^{900} \\sin(abc)",
        "\\ln\\ln\\ln\\ln\\ln\\ln\\ln x",
        "100000!!",
        "\\binom{10^{9}}{10^{8}}",
        "\\gcd(10^{4000}, 15^{3000})",
    ] {
        let (gold, pred) = (format!("${text}$"), format!("${text} + 1$"));
        assert!(verdict(&gold, &gold).is_equal(), "{text} against itself");
        assert!(
            !verdict(&gold, &pred).is_equal(),
            "{text} against itself and one"
        );
        assert!(!verdict("$1$", &gold).is_equal(), "{text} against one");
    }
}
