//! Labelled pairs: math-verify's own tests, pairs made by construction, and the named deviations.
//! The generators are in `tests/golden/gen`.
#![allow(clippy::unwrap_used)]

use burn_rewards::math::{Options, Profile, Verifier};
use serde_json::Value;

struct Pair {
    gold: String,
    pred: String,
    expected: bool,
    ours: bool,
}

fn graded(lines: &str) -> Vec<Pair> {
    let rows = lines
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap());
    rows.map(|row| {
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        let profile = Profile::from_name(&text("config")).unwrap();
        let options: Options = serde_json::from_value(row["opts"].clone()).unwrap();
        let (gold, pred) = (text("gold"), text("pred"));
        let ours = Verifier::with_options(profile, options)
            .verify(&gold, &pred)
            .is_equal();
        Pair {
            gold,
            pred,
            expected: row["expected"].as_bool().unwrap(),
            ours,
        }
    })
    .collect()
}

/// math-verify 0.9.0's own pairs. One expects `1 - 1/e` and `1 + 1/e` to be equal, which they are
/// not.
#[test]
fn the_pairs_of_math_verify() {
    let pairs = graded(include_str!(
        "../../../tests/golden/math_verify/pairs.jsonl"
    ));
    assert!(pairs.len() >= 265, "{}", pairs.len());
    for p in pairs {
        let is_false =
            p.gold == "$1 - \\frac{1}{\\mathrm{e}}$" && p.pred == "$1 + \\frac{1}{\\mathrm{e}}$";
        assert_eq!(
            p.ours,
            p.expected != is_false,
            "{:?} against {:?}",
            p.gold,
            p.pred
        );
    }
}

#[test]
fn pairs_whose_labels_hold_by_construction() {
    let pairs = graded(include_str!("../../../tests/golden/math_verify/own.jsonl"));
    assert!(pairs.len() > 600, "{}", pairs.len());
    for p in pairs {
        assert_eq!(p.ours, p.expected, "{:?} against {:?}", p.gold, p.pred);
    }
}

/// Every row of the table of deviations in `docs/math-verifier.md`:
/// `name<TAB>gold<TAB>prediction<TAB>equal here<TAB>equal in Python`.
#[test]
fn the_deviations_are_as_documented() {
    let rows = include_str!("../../../tests/golden/math_verify/deviations.tsv");
    let doc = include_str!("../../../docs/math-verifier.md");
    let verifier = Verifier::new(Profile::MathVerify);
    let mut count = 0;
    for line in rows.lines().skip(1).filter(|l| !l.is_empty()) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, gold, pred, ours, python] = fields[..] else {
            panic!("five fields: {line}")
        };
        assert_ne!(ours, python, "{name}: not a deviation");
        let outcome = verifier.verify(gold, pred);
        assert_eq!(
            outcome.is_equal(),
            ours == "true",
            "{name}: {gold} against {pred}: {outcome:?}"
        );
        assert!(
            doc.contains(&format!("| {name} |")),
            "{name} is not in the documentation"
        );
        count += 1;
    }
    assert!(count >= 40, "{count}");
}

/// The answer columns of data sets have no delimiters; nor may a part of one be met.
#[test]
fn bare_formulas_are_read_whole() {
    let verifier = Verifier::new(Profile::MathVerify);
    for (gold, part) in [
        ("11\\sqrt2", "11"),
        ("\\left( 3, \\frac{\\pi}{2} \\right)", "3"),
        ("2\\frac{1}{2}", "\\frac{1}{2}"),
        ("\\text{June 20}", "20"),
        ("\\begin{pmatrix} -18 \\\\ -49 \\\\ 96 \\end{pmatrix}", "96"),
        ("13,\\!500", "13"),
        ("6.7 \\times 10^{-5}", "10"),
        ("-2 < x \\le 5", "5"),
        ("y = 2x + 3", "3"),
        ("1, -2", "1"),
        ("(0, 0), (1, 1)", "1"),
        ("I(0) e^{-t/\\tau}", "0"),
        ("2√3", "3"),
    ] {
        for right in [
            format!("So $\\boxed{{{gold}}}$."),
            format!("${gold}$"),
            gold.to_owned(),
        ] {
            assert!(
                verifier.verify(gold, &right).is_equal(),
                "{gold} against {right}"
            );
        }
        let wrong = format!("$\\boxed{{{part}}}$");
        assert!(
            !verifier.verify(gold, &wrong).is_equal(),
            "{gold} against {wrong}"
        );
    }
}

#[test]
fn a_point_has_as_many_coordinates_as_are_written() {
    let verifier = Verifier::new(Profile::MathVerify);
    let equal = |gold: &str, pred: &str| verifier.verify(gold, pred).is_equal();
    assert!(!equal("$1$", "$(1,1)$"));
    assert!(!equal("$\\{-1,0,1\\}$", "$(0,0),(1,1),(-1,-1)$"));
    assert!(!equal("$1,2$", "$(1,1),(2,2)$"));
    assert!(equal("$\\{1,2\\}$", "$(1,2)$"));
    assert!(equal("$(1,1),(2,2)$", "$(2,2),(1,1)$"));
}
