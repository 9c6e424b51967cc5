//! The first number of `metrics.jsonl` that differs.

use super::{Compared, Parting};
use anyhow::Result;
use burn_rl::{
    metrics::{Metrics, is_measured},
    run_dir::RunDir,
};
use run_log::step_log;
use std::collections::{BTreeMap, BTreeSet};

pub fn compare(a: &RunDir, b: &RunDir) -> Result<Compared> {
    let (a, b) = (step_log::read(&a.metrics())?, step_log::read(&b.metrics())?);
    let mut compared = Compared::of_steps(&a, &b);
    let others: BTreeMap<u64, &Metrics> =
        b.iter().map(|(step, numbers)| (*step, numbers)).collect();
    for (step, a) in &a {
        let Some(b) = others.get(step) else { continue };
        let one = evaluated(a) != evaluated(b);
        if one && compared.aside.is_none() {
            let run = if evaluated(a) { "first" } else { "second" };
            compared.aside = Some(format!("only the {run} was evaluated at step {step}"));
        }
        if let Some(said) = difference(a, b, one) {
            compared.first = Some(Parting { step: *step, said });
            break;
        }
    }
    Ok(compared)
}

/// Numbers of evaluations begin so.
const EVALUATION: &str = "eval/";

fn evaluated(numbers: &Metrics) -> bool {
    numbers.iter().any(|(name, _)| name.starts_with(EVALUATION))
}

/// What differs; where only one of them `was_evaluated`, beside the numbers of that.
fn difference(a: &Metrics, b: &Metrics, was_evaluated: bool) -> Option<String> {
    let names: BTreeSet<&str> = a.iter().chain(b.iter()).map(|(name, _)| name).collect();
    let bits = |from: &Metrics, name| from.get(name).map(f64::to_bits);
    let counts = |name: &str| !(is_measured(name) || was_evaluated && name.starts_with(EVALUATION));
    let mut differing = names
        .into_iter()
        .filter(|name| counts(name) && bits(a, name) != bits(b, name));
    let name = differing.next()?;
    let text = |from: &Metrics| from.get(name).map_or("missing".into(), |x| x.to_string());
    let more = match differing.count() {
        0 => String::new(),
        n => format!(", and {n} more"),
    };
    Some(format!("{name}: {} | {}{more}", text(a), text(b)))
}
