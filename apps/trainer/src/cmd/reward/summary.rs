//! What is said of a graded file.

use super::{
    grade::{GOLD_UNPARSED, Grader, Record},
    rows::Row,
};
use burn_rl::error::RlError;
use std::{collections::BTreeMap, time::Duration};

/// Skipped rows that are named.
const SHOWN: usize = 5;

/// Counts over a file.
#[derive(Default)]
pub struct Summary {
    /// Time spent judging, reading and writing left out.
    pub grading: Duration,
    right: u64,
    values: f64,
    /// Wrong responses by reason.
    wrong: BTreeMap<String, u64>,
    skipped: u64,
    /// Whether some row names a grader that this rule does not read.
    unread_config: bool,
    first_skipped: Vec<RlError>,
}

impl Summary {
    /// Notes what the rule leaves unread.
    pub fn look(&mut self, grader: &Grader, rows: &[Row]) {
        let names_grader = |row: &Row| row.config.is_some() || !row.opts.is_empty();
        self.unread_config |= !grader.reads_config() && rows.iter().any(names_grader);
    }

    pub fn add(&mut self, record: &Record) {
        match record.verdict {
            true => self.right += 1,
            false => *self.wrong.entry(record.reason.clone()).or_default() += 1,
        }
        self.values += record.scored.as_ref().map_or(0.0, |s| s.value);
    }

    pub fn skip(&mut self, error: RlError) {
        self.skipped += 1;
        if self.first_skipped.len() < SHOWN {
            self.first_skipped.push(error);
        }
    }

    /// Writes the summary to standard error.
    pub fn say(&self, grader: &Grader) {
        let wrong: u64 = self.wrong.values().sum();
        let rows = self.right + wrong;
        let per_s = (rows + self.skipped) as f64 / self.grading.as_secs_f64().max(1e-9);
        let share = 100.0 * self.right as f64 / rows.max(1) as f64;
        say!(
            "{}: {rows} rows graded, {} right ({share:.2} %), {wrong} wrong, {} skipped, {per_s:.0} \
             verdicts/s",
            grader.rule,
            self.right,
            self.skipped
        );
        if !grader.reads_config() {
            say!("  mean value {:.4}", self.values / rows.max(1) as f64);
        }
        if self.unread_config {
            say!("  note: `config` and `opts` of rows are read by the rule `math` only");
        }
        let mut reasons: Vec<(&String, &u64)> = self.wrong.iter().collect();
        reasons.sort_by_key(|(name, n)| (std::cmp::Reverse(**n), *name));
        for (reason, n) in reasons {
            let note = match reason.as_str() {
                GOLD_UNPARSED => " (the gold answer cannot be used: --on-unparsable-gold)",
                _ => "",
            };
            say!("  wrong, {reason}: {n}{note}");
        }
        for error in &self.first_skipped {
            say!("  skipped: {error}");
        }
    }
}
