//! Whether one evaluation is better than another, of the same rows.

use crate::input_error::InputError;
use anyhow::Result;
use burn_vlm::rng::mix;
use run_log::rollout_log::read_rollouts;
use serde_json::{Value, json};
use std::{collections::HashMap, path::Path};

/// Samples of the rows that the interval is from.
const RESAMPLES: usize = 10_000;
/// Any number: the interval is the same whenever it is asked for.
const SEED: u64 = 0xb007;
/// Share of the resampled differences inside the interval.
const INSIDE: f64 = 0.95;

/// The share of right completions of each row in two evaluations, and what follows.
#[derive(Debug, PartialEq)]
pub(super) struct Comparison {
    rows: usize,
    accuracy: [f64; 2],
    /// Of the second over the first, and its interval.
    difference: f64,
    interval: [f64; 2],
    /// Rows that only the first, and only the second has right, and McNemar's p; none where a row
    /// has several completions.
    alone: Option<([usize; 2], f64)>,
}

impl Comparison {
    /// Of two directories that `trainer eval --out` has written.
    ///
    /// # Errors
    /// Samples that cannot be read; other rows, or other gold answers, in one than in the other.
    pub fn of(a: &Path, b: &Path) -> Result<Self> {
        let (first, second) = (rows(a)?, rows(b)?);
        let refuse = |message: String| InputError::new(format!("--compare: {message}"));
        if first.is_empty() {
            return Err(refuse(format!("{} has no samples", a.display())).into());
        }
        let mut others: HashMap<_, _> = second.iter().map(|row| (&row.key, row)).collect();
        let mut pairs = vec![];
        for row in &first {
            let Some(other) = others.remove(&row.key) else {
                let (key, b) = (&row.key.0, b.display());
                return Err(
                    refuse(format!("row {key} is not in {b}, expected the same rows")).into(),
                );
            };
            if other.answer != row.answer {
                return Err(refuse(format!(
                    "the gold answer of row {} is {:?} and {:?}, expected the same data",
                    row.key.0, row.answer, other.answer
                ))
                .into());
            }
            pairs.push((row, other));
        }
        if let Some(row) = second.iter().find(|row| others.contains_key(&row.key)) {
            let (key, a) = (&row.key.0, a.display());
            return Err(refuse(format!("row {key} is not in {a}, expected the same rows")).into());
        }
        let shares: Vec<[f64; 2]> = pairs.iter().map(|(a, b)| [a.share(), b.share()]).collect();
        let single = pairs.iter().all(|(a, b)| a.draws == 1 && b.draws == 1);
        Ok(Self::of_shares(&shares, single))
    }

    fn of_shares(shares: &[[f64; 2]], single: bool) -> Self {
        let n = shares.len() as f64;
        let accuracy = [0, 1].map(|side| shares.iter().map(|s| s[side]).sum::<f64>() / n);
        let differences: Vec<f64> = shares.iter().map(|[a, b]| b - a).collect();
        let alone = |side: usize| {
            let won = |s: &&[f64; 2]| s[side] > s[1 - side];
            shares.iter().filter(won).count()
        };
        let alone = [alone(0), alone(1)];
        Self {
            rows: shares.len(),
            accuracy,
            difference: differences.iter().sum::<f64>() / n,
            interval: interval(&differences),
            alone: single.then(|| (alone, mcnemar(alone[0], alone[1]))),
        }
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let mut out = json!({
            "rows": self.rows,
            "accuracy": self.accuracy,
            "difference": self.difference,
            "interval": self.interval,
            "resamples": RESAMPLES,
        });
        if let Some((alone, p)) = self.alone {
            out["right_alone"] = json!(alone);
            out["mcnemar_p"] = json!(p);
        }
        out
    }

    /// For people.
    pub fn table(&self, a: &Path, b: &Path) -> String {
        let percent = |x: f64| 100.0 * x;
        let ([a_right, b_right], [low, high]) = (self.accuracy, self.interval);
        let mut out = format!(
            "{} rows\nA  {:>6.2} %  {}\nB  {:>6.2} %  {}\nB − A {:+.2} points, {:.0} % interval \
             {:+.2} to {:+.2} (paired bootstrap over rows)\n",
            self.rows,
            percent(a_right),
            a.display(),
            percent(b_right),
            b.display(),
            percent(self.difference),
            percent(INSIDE),
            percent(low),
            percent(high),
        );
        out += &match self.alone {
            Some(([a, b], p)) => {
                format!("right in A alone {a}, in B alone {b}: McNemar's exact p = {p:.4}\n")
            }
            None => "no McNemar's test: rows have several completions\n".into(),
        };
        out
    }
}

/// A row of an evaluation.
struct Row {
    /// Its id, and which of the rows of this id it is.
    key: (String, usize),
    answer: String,
    right: usize,
    draws: usize,
}

impl Row {
    fn share(&self) -> f64 {
        self.right as f64 / self.draws as f64
    }
}

fn rows(dir: &Path) -> Result<Vec<Row>> {
    let samples = read_rollouts(&dir.join("samples.jsonl"))?;
    let mut rows: Vec<Row> = vec![];
    let mut seen = HashMap::<String, usize>::new();
    for sample in samples {
        if sample.draw == 0 || rows.is_empty() {
            let count = seen.entry(sample.prompt_id.clone()).or_default();
            rows.push(Row {
                key: (sample.prompt_id, *count),
                answer: sample.answer,
                right: 0,
                draws: 0,
            });
            *count += 1;
        }
        if let Some(row) = rows.last_mut() {
            row.draws += 1;
            row.right += usize::from(sample.correct == Some(true));
        }
    }
    Ok(rows)
}

/// Where the middle of the means of resampled differences lies.
fn interval(differences: &[f64]) -> [f64; 2] {
    let n = differences.len();
    let mut count = 0;
    let mut drawn = || {
        count += 1;
        // The high bits of a product are uniform below `n` without a division.
        ((u128::from(mix(SEED, count)) * n as u128) >> 64) as usize
    };
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| (0..n).map(|_| differences[drawn()]).sum::<f64>() / n as f64)
        .collect();
    means.sort_by(f64::total_cmp);
    let at = |share: f64| means[((RESAMPLES - 1) as f64 * share).round() as usize];
    let outside = (1.0 - INSIDE) / 2.0;
    [at(outside), at(1.0 - outside)]
}

/// McNemar's exact test: how likely it is that of the rows on which two evaluations disagree so few
/// or fewer go to one of them, if each goes to either with the chance of a half; on both sides.
fn mcnemar(a: usize, b: usize) -> f64 {
    let n = a + b;
    // Logarithms: 2⁻ⁿ is too small for a number where many rows differ.
    let mut term = -(n as f64) * std::f64::consts::LN_2;
    let mut tail = 0.0;
    for i in 0..=a.min(b) {
        tail += term.exp();
        term += ((n - i) as f64).ln() - ((i + 1) as f64).ln();
    }
    (2.0 * tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums of binomials by hand: 2·(1 + 9)/2⁹, 2·(1 + 10 + 45)/2¹⁰; the last one in
    /// Python, `2 * sum(comb(100, i) for i in range(41)) / 2**100`.
    #[test]
    fn mcnemar_is_the_binomial_tail_on_both_sides() {
        for (a, b, p) in [
            (1, 8, 20.0 / 512.0),
            (8, 2, 112.0 / 1024.0),
            (0, 0, 1.0),
            (5, 5, 1.0),
            (40, 60, 0.056_887_933_640_980_8),
        ] {
            assert!(
                (mcnemar(a, b) - p).abs() < 1e-12,
                "{a} {b}: {}",
                mcnemar(a, b)
            );
        }
        let many = mcnemar(1000, 1200);
        assert!(many > 0.0 && many < 1e-3, "{many}");
    }

    #[test]
    fn the_interval_is_that_of_the_normal_law_where_rows_are_many() {
        // 1,000 rows, of which B wins 100 and A 60: mean 0.04, deviation √(0.16 − 0.04²)/√1000.
        let mut shares = vec![[0.0, 0.0]; 840];
        shares.extend([[0.0, 1.0]; 100]);
        shares.extend([[1.0, 0.0]; 60]);
        let found = Comparison::of_shares(&shares, true);
        assert!((found.difference - 0.04).abs() < 1e-12);
        assert_eq!(found.alone.map(|(alone, _)| alone), Some([60, 100]));
        let deviation = ((0.16_f64 - 0.04 * 0.04) / 1000.0).sqrt();
        for (bound, sign) in found.interval.iter().zip([-1.0, 1.0]) {
            let expected = 0.04 + sign * 1.96 * deviation;
            assert!((bound - expected).abs() < 0.002, "{bound} {expected}");
        }
        assert_eq!(
            found,
            Comparison::of_shares(&shares, true),
            "the same whenever it is asked"
        );
        let same = Comparison::of_shares(&[[0.5, 0.5]; 3], false);
        assert_eq!((same.interval, same.alone), ([0.0, 0.0], None));
    }
}
