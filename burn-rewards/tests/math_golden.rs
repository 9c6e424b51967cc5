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
    let pairs = graded(include_str!("../../tests/golden/math_verify/pairs.jsonl"));
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
    let pairs = graded(include_str!("../../tests/golden/math_verify/own.jsonl"));
    assert!(pairs.len() > 600, "{}", pairs.len());
    for p in pairs {
        assert_eq!(p.ours, p.expected, "{:?} against {:?}", p.gold, p.pred);
    }
}

/// Every row of the table of deviations in `docs/math-verifier.md`:
/// `name<TAB>gold<TAB>prediction<TAB>equal here<TAB>equal in Python`.
#[test]
fn the_deviations_are_as_documented() {
    let rows = include_str!("../../tests/golden/math_verify/deviations.tsv");
    let doc = include_str!("../../docs/math-verifier.md");
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
