//! What an evaluation comes to: numbers of all rows, and of the rows of each kind.

use crate::benchmarks::{Verdict, scores::Score};
use burn_rewards::extract::{last_answer_tag, last_box, stated};
use burn_rl::eval::{ks, pass_at_k};
use burn_vlm::rng::{hash_text, mix};
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
    /// Chance that one of k draws is right, summed over rows, by k.
    any: BTreeMap<usize, f64>,
    /// Rows whose commonest answer is right.
    majority: usize,
    tokens: usize,
    truncated: usize,
    /// Completions with neither an `<answer>` nor a box.
    no_answer: usize,
}

/// Numbers of all rows, and by the value of each kept field.
#[derive(Debug, Clone, Default)]
pub(super) struct Summary {
    all: Sums,
    by: BTreeMap<String, BTreeMap<String, Sums>>,
    /// Fields that rows are grouped by.
    fields: &'static [&'static str],
    /// The kept fields of each row, and whether each of its completions is right.
    verdicts: Vec<(Map<String, Value>, Vec<bool>)>,
    /// Of the prompts in their order.
    prompts: u64,
}

impl Sums {
    fn add(&mut self, records: &[RolloutRecord]) {
        let right = records.iter().filter(|r| r.correct == Some(true)).count();
        let n = records.len().max(1);
        self.rows += 1;
        self.completions += records.len();
        self.right += right as f64 / n as f64;
        for k in ks(n) {
            *self.any.entry(k).or_default() += pass_at_k(n, right, k);
        }
        self.majority += usize::from(majority_is_right(records));
        self.tokens += records.iter().map(|r| r.tokens).sum::<usize>();
        self.truncated += records
            .iter()
            .filter(|r| r.finish_reason == "length")
            .count();
        let silent = |r: &&RolloutRecord| {
            last_answer_tag(&r.response).is_none() && last_box(&r.response).is_none()
        };
        self.no_answer += records.iter().filter(silent).count();
    }

    fn accuracy(&self) -> f64 {
        self.right / self.rows.max(1) as f64
    }

    fn majority(&self) -> f64 {
        self.majority as f64 / self.rows.max(1) as f64
    }

    fn draws(&self) -> usize {
        self.completions / self.rows.max(1)
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
            "no_answer": self.mean(self.no_answer),
        });
        let draws = self.draws();
        if draws > 1 {
            for (k, any) in &self.any {
                out[format!("pass@{k}")] = json!(any / self.rows.max(1) as f64);
            }
            out[format!("avg@{draws}")] = json!(self.accuracy());
            out[format!("maj@{draws}")] = json!(self.majority());
        }
        out
    }

    fn line(&self, name: &str) -> String {
        let (accuracy, truncated) = (100.0 * self.accuracy(), 100.0 * self.mean(self.truncated));
        let (rows, tokens) = (self.rows, self.mean(self.tokens));
        let mut line =
            format!("{name:<28} {rows:>7} {accuracy:>8.2} % {tokens:>9.1} {truncated:>8.1} %");
        let draws = self.draws();
        if draws > 1 {
            let any = self.any.get(&draws).copied().unwrap_or_default();
            let (any, majority) = (any / self.rows.max(1) as f64, self.majority());
            let (any, majority) = (100.0 * any, 100.0 * majority);
            line.push_str(&format!(
                "   pass@{draws} {any:.2} %   maj@{draws} {majority:.2} %"
            ));
        }
        line.push('\n');
        line
    }
}

/// Whether the answer that most completions of a row state is right: texts without spaces and
/// capitals are compared, and of several that are as common the first counts.
fn majority_is_right(records: &[RolloutRecord]) -> bool {
    let mut answers: Vec<(String, usize, bool)> = vec![];
    for record in records {
        let text = stated(&record.response).to_lowercase();
        let text: String = text.split_whitespace().collect();
        match answers.iter_mut().find(|(other, ..)| *other == text) {
            Some((_, count, _)) => *count += 1,
            None => answers.push((text, 1, record.correct == Some(true))),
        }
    }
    let most = answers.iter().map(|(_, count, _)| *count).max();
    answers
        .iter()
        .find(|(_, count, _)| Some(*count) == most)
        .is_some_and(|(.., right)| *right)
}

impl Summary {
    /// Of nothing yet, grouped by `fields`.
    pub fn by(fields: &'static [&'static str]) -> Self {
        Self {
            fields,
            ..Self::default()
        }
    }

    /// Counts the completions of one row.
    pub fn add(&mut self, records: &[RolloutRecord], kept: &Map<String, Value>) {
        self.all.add(records);
        if let Some(record) = records.first() {
            self.prompts = mix(self.prompts, hash_text(&record.prompt));
        }
        let right = records.iter().map(|r| r.correct == Some(true)).collect();
        self.verdicts.push((kept.clone(), right));
        for field in self.fields {
            let Some(value) = kept.get(*field) else {
                continue;
            };
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            let group = self.by.entry((*field).to_owned()).or_default();
            group.entry(value).or_default().add(records);
        }
    }

    /// For a progress bar.
    pub fn so_far(&self) -> String {
        format!("{:.1} % right", 100.0 * self.all.accuracy())
    }

    /// The benchmark's own score: the mean over the draws, of each of which it is computed alone.
    fn scores(&self, score: Option<Score>) -> Vec<(&'static str, f64)> {
        let draws = self.verdicts.iter().map(|(_, right)| right.len()).min();
        let (Some(score), Some(draws)) = (score, draws) else {
            return vec![];
        };
        let of_draw = |draw: usize| {
            let rows = self.verdicts.iter();
            let verdicts = rows.map(|(kept, right)| Verdict {
                kept,
                right: right[draw],
            });
            score(&verdicts.collect::<Vec<_>>())
        };
        let mut sums = of_draw(0);
        for draw in 1..draws {
            for (sum, (_, value)) in sums.iter_mut().zip(of_draw(draw)) {
                sum.1 += value;
            }
        }
        sums.iter()
            .map(|(name, sum)| (*name, sum / draws as f64))
            .collect()
    }

    /// For programs.
    pub fn json(&self, bench: &str, model: &Path, score: Option<Score>) -> Value {
        let mut out = self.all.json();
        out["bench"] = bench.into();
        out["model"] = model.display().to_string().into();
        out["prompts"] = format!("{:016x}", self.prompts).into();
        for (field, group) in &self.by {
            let group = group
                .iter()
                .map(|(value, sums)| (value.clone(), sums.json()));
            out["by"][field] = Value::Object(group.collect());
        }
        for (name, value) in self.scores(score) {
            out["scores"][name] = json!(value);
        }
        out
    }

    /// For people.
    pub fn table(&self, bench: &str, score: Option<Score>) -> String {
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
        let scores = self.scores(score);
        if !scores.is_empty() {
            out += &format!("{bench}'s own score\n");
        }
        for (name, value) in scores {
            out += &match value > 1.0 {
                true => format!("{name:<28} {value:>7}\n"),
                false => format!("{name:<28} {:>17.2} %\n", 100.0 * value),
            };
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
    fn the_commonest_answer_of_a_row_is_its_majority() {
        let said = |text: &str, correct| RolloutRecord {
            response: text.into(),
            ..record(correct, 1, "stop")
        };
        let right = said("so \\boxed{1 2}", true);
        let wrong = [said("\\boxed{7}", false), said("\\boxed{8}", false)];
        let again = said("<answer>12</answer>", true);
        let [seven, eight] = wrong;
        let row = [seven.clone(), eight, right, again];
        assert!(majority_is_right(&row));
        assert!(
            !majority_is_right(&row[..3]),
            "the first of three that are as common"
        );
        assert!(!majority_is_right(&[seven.clone(), row[2].clone(), seven]));
        assert!(!majority_is_right(&[]));
        let mut summary = Summary::default();
        summary.add(&row, &Map::new());
        let json = summary.json("x", Path::new("m"), None);
        // 1 − C(2, 2)/C(4, 2), and so on.
        assert_eq!(json["pass@1"], 0.5);
        assert!((json["pass@2"].as_f64().unwrap() - 5.0 / 6.0).abs() < 1e-12);
        assert_eq!(
            (&json["pass@4"], &json["maj@4"]),
            (&json!(1.0), &json!(1.0))
        );
        assert_eq!(json["no_answer"], 0.0);
    }

    #[test]
    fn rows_count_alike_however_many_completions_they_have() {
        let mut summary = Summary::by(&["task"]);
        let kept = |task: &str| Map::from_iter([("task".to_owned(), json!(task))]);
        summary.add(
            &[record(true, 4, "stop"), record(false, 8, "length")],
            &kept("a"),
        );
        summary.add(
            &[record(false, 2, "stop"), record(false, 2, "stop")],
            &kept("b"),
        );
        let json = summary.json("x", Path::new("m"), None);
        assert_eq!(json["rows"], 2);
        assert_eq!(json["accuracy"], 0.25);
        assert_eq!(json["pass@2"], 0.5);
        assert_eq!(json["tokens"], 4.0);
        assert_eq!(json["truncated"], 0.25);
        assert_eq!(
            (&json["pass@1"], &json["avg@2"]),
            (&json!(0.25), &json!(0.25))
        );
        assert_eq!(json["by"]["task"]["a"]["accuracy"], 0.5);
        assert_eq!(json["by"]["task"]["b"]["accuracy"], 0.0);
        // Responses that say nothing are one answer, that of the first of them.
        assert_eq!(json["maj@2"], 0.5);
        assert_eq!(json["no_answer"], 1.0);
        let table = summary.table("x", None);
        assert!(table.contains("all") && table.contains("task a") && table.contains("25.00 %"));
    }
}
