//! What an evaluation comes to: numbers of all rows, and of the rows of each kind.

use crate::benchmarks::cv_bench_score;
use burn_rl::eval::pass_at_k;
use run_log::RolloutRecord;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, path::Path};

/// Sums over rows.
#[derive(Debug, Clone, Default)]
struct Sums {
    rows: usize,
    completions: usize,
    /// Share of right completions, summed over rows.
    right: f64,
    /// Chance that one of all draws is right, summed over rows.
    any: f64,
    tokens: usize,
    truncated: usize,
}

/// Numbers of all rows, and by the value of each kept field.
#[derive(Debug, Clone, Default)]
pub(super) struct Summary {
    all: Sums,
    by: BTreeMap<String, BTreeMap<String, Sums>>,
}

impl Sums {
    fn add(&mut self, records: &[RolloutRecord]) {
        let right = records.iter().filter(|r| r.correct == Some(true)).count();
        let n = records.len().max(1);
        self.rows += 1;
        self.completions += records.len();
        self.right += right as f64 / n as f64;
        self.any += pass_at_k(n, right, n);
        self.tokens += records.iter().map(|r| r.tokens).sum::<usize>();
        self.truncated += records
            .iter()
            .filter(|r| r.finish_reason == "length")
            .count();
    }

    fn accuracy(&self) -> f64 {
        self.right / self.rows.max(1) as f64
    }

    fn mean(&self, sum: usize) -> f64 {
        sum as f64 / self.completions.max(1) as f64
    }

    fn json(&self) -> Value {
        let mut out = json!({
            "rows": self.rows,
            "accuracy": self.accuracy(),
            "tokens": self.mean(self.tokens),
            "truncated": self.mean(self.truncated),
        });
        let draws = self.completions / self.rows.max(1);
        if draws > 1 {
            out[format!("pass@{draws}")] = json!(self.any / self.rows.max(1) as f64);
        }
        out
    }

    fn line(&self, name: &str) -> String {
        let (accuracy, truncated) = (100.0 * self.accuracy(), 100.0 * self.mean(self.truncated));
        let (rows, tokens) = (self.rows, self.mean(self.tokens));
        let mut line =
            format!("{name:<28} {rows:>7} {accuracy:>8.2} % {tokens:>9.1} {truncated:>8.1} %");
        let draws = self.completions / self.rows.max(1);
        if draws > 1 {
            let any = 100.0 * self.any / self.rows.max(1) as f64;
            line.push_str(&format!("   pass@{draws} {any:.2} %"));
        }
        line.push('\n');
        line
    }
}

impl Summary {
    /// Counts the completions of one row.
    pub fn add(&mut self, records: &[RolloutRecord], kept: &Map<String, Value>) {
        self.all.add(records);
        for (field, value) in kept {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            let group = self.by.entry(field.clone()).or_default();
            group.entry(value).or_default().add(records);
        }
    }

    /// For a progress bar.
    pub fn so_far(&self) -> String {
        format!("{:.1} % right", 100.0 * self.all.accuracy())
    }

    fn official(&self, bench: &str) -> Option<[f64; 3]> {
        let sources = self.by.get("source").filter(|_| bench == "cv_bench")?;
        let accuracies = sources
            .iter()
            .map(|(name, sums)| (name.clone(), sums.accuracy()));
        cv_bench_score(&accuracies.collect::<Vec<_>>())
    }

    /// For programs.
    pub fn json(&self, bench: &str, model: &Path) -> Value {
        let mut out = self.all.json();
        out["bench"] = bench.into();
        out["model"] = model.display().to_string().into();
        for (field, group) in &self.by {
            let group = group
                .iter()
                .map(|(value, sums)| (value.clone(), sums.json()));
            out["by"][field] = Value::Object(group.collect());
        }
        if let Some([flat, deep, score]) = self.official(bench) {
            out["cv_bench"] = json!({ "2D": flat, "3D": deep, "score": score });
        }
        out
    }

    /// For people.
    pub fn table(&self, bench: &str) -> String {
        let head = format!(
            "{bench:<28} {:>7} {:>10} {:>9} {:>10}\n",
            "rows", "accuracy", "tokens", "truncated"
        );
        let mut out = head + &self.all.line("all");
        for (field, group) in &self.by {
            for (value, sums) in group {
                out += &sums.line(&format!("{field} {value}"));
            }
        }
        if let Some([flat, deep, score]) = self.official(bench) {
            let percent = [flat, deep, score].map(|share| 100.0 * share);
            out += &format!(
                "CV-Bench's own score: 2D {:.2} %, 3D {:.2} %, mean {:.2} %\n",
                percent[0], percent[1], percent[2]
            );
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(correct: bool, tokens: usize, finish_reason: &str) -> RolloutRecord {
        RolloutRecord {
            correct: Some(correct),
            tokens,
            finish_reason: finish_reason.into(),
            ..RolloutRecord::default()
        }
    }

    #[test]
    fn rows_count_alike_however_many_completions_they_have() {
        let mut summary = Summary::default();
        let kept = |task: &str| Map::from_iter([("task".to_owned(), json!(task))]);
        summary.add(
            &[record(true, 4, "stop"), record(false, 8, "length")],
            &kept("a"),
        );
        summary.add(
            &[record(false, 2, "stop"), record(false, 2, "stop")],
            &kept("b"),
        );
        let json = summary.json("x", Path::new("m"));
        assert_eq!(json["rows"], 2);
        assert_eq!(json["accuracy"], 0.25);
        assert_eq!(json["pass@2"], 0.5);
        assert_eq!(json["tokens"], 4.0);
        assert_eq!(json["truncated"], 0.25);
        assert_eq!(json["by"]["task"]["a"]["accuracy"], 0.5);
        assert_eq!(json["by"]["task"]["b"]["accuracy"], 0.0);
        let table = summary.table("x");
        assert!(table.contains("all") && table.contains("task a") && table.contains("25.00 %"));
    }
}
