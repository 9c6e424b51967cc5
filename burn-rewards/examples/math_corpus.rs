//! Measures the math verifier on labelled pairs, one JSON object a line:
//! `{"gold", "pred", "config"?, "opts"?, "category"?, "expected"?, "verdict"?}`, where `expected`
//! is the label (null for a convention) and `verdict` what the reference implementation says.
//!
//! `cargo run --release -p burn-rewards --example math_corpus -- FILE.jsonl [--show CATEGORY]`
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use burn_rewards::math::{Options, Profile, Verifier};
use serde_json::Value;

#[derive(Default)]
struct Tally {
    rows: u32,
    core: u32,
    core_agree: u32,
    exploits: u32,
    exploits_refused: u32,
    misses: u32,
    misses_accepted: u32,
}

fn main() {
    let mut args = std::env::args().skip(1);
    let path = args
        .next()
        .expect("usage: math_corpus FILE.jsonl [--show CATEGORY|all]");
    let show = match (args.next().as_deref(), args.next()) {
        (Some("--show"), Some(category)) => Some(category),
        _ => None,
    };
    let text = std::fs::read_to_string(path).unwrap();
    let mut by_category: BTreeMap<String, Tally> = BTreeMap::new();
    let mut times = Vec::new();
    for line in text.lines().filter(|l| !l.trim().is_empty()) {
        let row: Value = serde_json::from_str(line).unwrap();
        let field = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
        let (profile, options) = setup(field("config"), row.get("opts"));
        let verifier = Verifier::with_options(profile, options);
        let mut took = Duration::MAX;
        let mut outcome = None;
        for _ in 0..2 {
            let start = Instant::now();
            outcome = Some(verifier.verify(field("gold"), field("pred")));
            took = took.min(start.elapsed());
        }
        let outcome = outcome.unwrap();
        times.push((took, field("id").to_owned()));
        let expected = row.get("expected").and_then(Value::as_bool);
        let reference = row.get("verdict").and_then(Value::as_bool);
        let ours = outcome.is_equal();
        let tally = by_category.entry(field("category").to_owned()).or_default();
        tally.rows += 1;
        let wrong = match (expected, reference) {
            (Some(false), Some(true)) => {
                tally.exploits += 1;
                tally.exploits_refused += u32::from(!ours);
                ours.then_some("EXPLOIT")
            }
            (Some(true), Some(false)) => {
                tally.misses += 1;
                tally.misses_accepted += u32::from(ours);
                (!ours).then_some("MISSED")
            }
            (e, r) => {
                tally.core += 1;
                let agree = Some(ours) == e.or(r);
                tally.core_agree += u32::from(agree);
                (!agree).then_some("CORE")
            }
        };
        if let Some(kind) = wrong
            && show
                .as_deref()
                .is_some_and(|s| s == "all" || s == field("category") || s == kind)
        {
            let explained = verifier.explain(field("gold"), field("pred"));
            println!(
                "{kind} {} {}/{} {} {}\n   gold {:?}\n   pred {:?}\n   expected {expected:?} reference {reference:?} ours {ours} ({})\n   {:?}\n   {:?}",
                field("id"),
                field("category"),
                field("sub"),
                field("config"),
                row.get("opts").unwrap_or(&Value::Null),
                field("gold"),
                field("pred"),
                outcome.reason,
                explained.gold_parsed,
                explained.pred_parsed,
            );
        }
    }
    report(&by_category, times);
}

fn setup(config: &str, opts: Option<&Value>) -> (Profile, Options) {
    let mut options: Options = match opts {
        Some(Value::Object(map)) if !map.is_empty() => {
            serde_json::from_value(Value::Object(map.clone())).unwrap()
        }
        _ => Options::default(),
    };
    let profile = match config {
        "nonstrict" => {
            options.strict = false;
            Profile::MathVerify
        }
        "setrel" => {
            options.allow_set_relation_comp = true;
            Profile::MathVerify
        }
        "" => Profile::MathVerify,
        name => Profile::from_name(name).unwrap(),
    };
    (profile, options)
}

fn report(by_category: &BTreeMap<String, Tally>, mut times: Vec<(Duration, String)>) {
    let percent = |a: u32, b: u32| {
        if b == 0 {
            100.0
        } else {
            100.0 * f64::from(a) / f64::from(b)
        }
    };
    let mut all = Tally::default();
    println!(
        "{:18} {:>5} {:>16} {:>12} {:>12}",
        "category", "rows", "core agree", "exploits", "misses"
    );
    for (name, t) in by_category {
        println!(
            "{name:18} {:5} {:5}/{:5} {:4.1} {:5}/{:5} {:6}/{:5}",
            t.rows,
            t.core_agree,
            t.core,
            percent(t.core_agree, t.core),
            t.exploits_refused,
            t.exploits,
            t.misses_accepted,
            t.misses
        );
        all.rows += t.rows;
        all.core += t.core;
        all.core_agree += t.core_agree;
        all.exploits += t.exploits;
        all.exploits_refused += t.exploits_refused;
        all.misses += t.misses;
        all.misses_accepted += t.misses_accepted;
    }
    println!(
        "all {}: core {}/{} = {:.2} %, exploits refused {}/{}, misses accepted {}/{} = {:.1} %",
        all.rows,
        all.core_agree,
        all.core,
        percent(all.core_agree, all.core),
        all.exploits_refused,
        all.exploits,
        all.misses_accepted,
        all.misses,
        percent(all.misses_accepted, all.misses)
    );
    times.sort();
    let at = |q: f64| &times[((times.len() - 1) as f64 * q) as usize];
    let mean = times.iter().map(|t| t.0).sum::<Duration>() / times.len().max(1) as u32;
    println!(
        "p50 {:?}, p90 {:?}, p99 {:?}, mean {mean:?}, slowest {:?} ({})",
        at(0.5).0,
        at(0.9).0,
        at(0.99).0,
        at(1.0).0,
        at(1.0).1
    );
}
