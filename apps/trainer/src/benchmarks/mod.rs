//! Benchmarks by name. Each is an entry of data: where the question, the options, the pictures and
//! the gold answer stand in a row of each published form, how the question is put, which rule
//! judges which row, and what its own score is.

mod files;
mod gold;
mod marks;
mod row;
pub mod scores;
mod sets;

pub use files::Files;
pub use gold::Gold;
pub use scores::Verdict;

use burn_rewards::{OnUnparsableGold, RewardConfig};
use burn_rl::{
    RlError,
    data::{Columns, OnError, RowDataset, RowFormat, RowKind},
};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// A benchmark whose rows its authors publish.
#[derive(Debug)]
pub struct Bench {
    /// Name on the command line.
    pub name: &'static str,
    /// What it measures, and what its data are.
    pub about: &'static str,
    /// Who scores it so.
    pub source: &'static str,
    /// What differs from the numbers that are published.
    pub differs: &'static str,
    /// Splits that are published, and how many rows they have. The first is read from a directory.
    pub splits: &'static [(&'static str, usize)],
    /// Fields that name a row, in order of preference.
    id: &'static [&'static str],
    /// Fields of the question: the first that says something. If empty, rows are read as any data
    /// rows are.
    question: &'static [&'static str],
    /// Fields that stand before the question, each in a paragraph, where they say something.
    before: &'static [&'static str],
    /// Fields of options, in order of preference: a list, a list as Python prints it, or an object
    /// of letters. Columns `A`, `B` … are options too, unless this is empty.
    options: &'static [&'static str],
    /// Fields of pictures, in order of preference; `image_*` stands for `image_1`, `image_2` …
    pictures: &'static [&'static str],
    /// Fields of the gold answer: the first that says something.
    answer: &'static [&'static str],
    /// What the gold answer is of what stands there.
    gold: Gold,
    /// How the question is put to a model that reasons.
    reasoning: &'static str,
    /// How it is put to one that answers at once.
    direct: &'static str,
    /// A system message, where the benchmark has one.
    pub system: &'static str,
    /// Which rule judges which rows: the first that holds.
    judges: &'static [Judge],
    /// Fields that results are grouped by.
    pub by: &'static [&'static str],
    /// Fields that its own score looks at beside those.
    keep: &'static [&'static str],
    /// Its own score of all verdicts.
    pub score: Option<scores::Score>,
    /// Tokens after which a completion is cut.
    pub max_new_tokens: usize,
}

/// A rule, and the rows that it judges.
#[derive(Debug)]
struct Judge {
    when: When,
    rule: &'static str,
    /// Options of the rule, by whether the model reasons.
    options: fn(direct: bool) -> Value,
}

/// Rows.
#[derive(Debug)]
enum When {
    All,
    /// Those that have options.
    Options,
    /// Those whose field is one of these texts.
    Is(&'static str, &'static [&'static str]),
}

/// The field that says which of [`Bench::judges`] judges the row, by its number.
const JUDGE: &str = "bench.judge";
/// The fields that a row of a benchmark is read from.
const QUESTION: &str = "bench.question";
const ANSWER: &str = "bench.answer";
const PICTURES: &str = "bench.pictures";

/// A step-by-step prompt with a box, as most evaluations of reasoning models have it.
const BOXED: &str = "{question}\nPlease reason step by step, and put your final answer within \
                     \\boxed{}.";
const DIRECT: &str = "{question}";
/// Names of pictures that most sets use.
const IMAGE: &[&str] = &["decoded_image", "image", "images", "image_path"];

/// What most entries have; each says what is its own.
const PLAIN: Bench = Bench {
    name: "",
    about: "",
    source: "",
    differs: "",
    splits: &[],
    id: &["id", "index"],
    question: &["question", "problem"],
    before: &[],
    options: &[],
    pictures: IMAGE,
    answer: &["answer"],
    gold: Gold::AsIs,
    reasoning: BOXED,
    direct: DIRECT,
    system: "",
    judges: &[Judge::all("math")],
    by: &[],
    keep: &[],
    score: None,
    max_new_tokens: 2048,
};

impl Judge {
    const fn all(rule: &'static str) -> Self {
        Self::when(When::All, rule)
    }

    const fn when(when: When, rule: &'static str) -> Self {
        let options = |_| json!({});
        Self {
            when,
            rule,
            options,
        }
    }
}

/// Every benchmark there is.
pub fn benches() -> impl Iterator<Item = &'static Bench> {
    sets::ALL.iter().copied().flatten()
}

/// The benchmark called `name`.
pub fn find(name: &str) -> Option<&'static Bench> {
    benches().find(|bench| bench.name == name)
}

impl Bench {
    /// Its rows, with the gold answers and the pictures that its forms name. A directory is read as
    /// the files of its first split ([`Files`]).
    ///
    /// # Errors
    /// A row that is not as published, with file and line.
    pub fn open(
        &self,
        path: &Path,
        template: Option<&str>,
        direct: bool,
        roots: &[PathBuf],
    ) -> Result<RowDataset, RlError> {
        let files = Files::of(path, self.splits.first().map_or("test", |split| split.0))?;
        let own = if direct { self.direct } else { self.reasoning };
        // Rows of any form are read as data rows are.
        let any = self.question.is_empty();
        let column = |name: &str| if any { String::new() } else { name.to_owned() };
        let format = RowFormat {
            columns: Columns {
                prompt: column(QUESTION),
                answer: column(ANSWER),
                images: column(PICTURES),
                ..Columns::default()
            },
            template: template.unwrap_or(own).into(),
            keep: self.kept().map(str::to_owned).collect(),
            set: self.name.into(),
            picture_roots: roots.to_vec(),
        };
        let reshape = |record, dirs: &_| match any {
            true => Ok(record),
            false => self.row(record, dirs),
        };
        let kind = RowKind::Prompt;
        RowDataset::of_files(path, &files.0, &format, OnError::Error, kind, &reshape)
    }

    /// The fields that are kept of a row.
    fn kept(&self) -> impl Iterator<Item = &'static str> {
        self.by.iter().chain(self.keep).copied()
    }

    /// What differs between the rows that were found and those that are published.
    pub fn count_differs(&self, rows: usize) -> Option<String> {
        if self.splits.is_empty() || self.splits.iter().any(|(_, count)| *count == rows) {
            return None;
        }
        let published = self
            .splits
            .iter()
            .map(|(split, n)| format!("{n} ({split})"));
        let published = published.collect::<Vec<_>>().join(", ");
        let name = self.name;
        Some(format!(
            "{name} has {rows} rows here, published are {published}"
        ))
    }

    /// The rules that judge its rows.
    ///
    /// # Errors
    /// None that a user can cause: the table is tested.
    pub fn reward(
        &self,
        direct: bool,
        on_unparsable_gold: OnUnparsableGold,
    ) -> Result<RewardConfig, serde_json::Error> {
        let part = |(number, judge): (usize, &Judge)| {
            let mut part = json!({ "rule": judge.rule, "name": "accuracy" });
            part["options"] = (judge.options)(direct);
            if self.judges.len() > 1 {
                part["when"] = json!({ "field": { JUDGE: number } });
            }
            part
        };
        let parts: Vec<Value> = self.judges.iter().enumerate().map(part).collect();
        serde_json::from_value(json!({ "on_unparsable_gold": on_unparsable_gold, "parts": parts }))
    }

    /// The names of its rules.
    pub fn rules(&self) -> Vec<&'static str> {
        let mut rules: Vec<&str> = self.judges.iter().map(|judge| judge.rule).collect();
        rules.dedup();
        rules
    }

    /// Which of its rules judges a row.
    fn judge(&self, fields: &Map<String, Value>, has_options: bool) -> Result<usize, String> {
        let holds = |judge: &Judge| match judge.when {
            When::All => true,
            When::Options => has_options,
            When::Is(name, values) => {
                let found = fields.get(name).and_then(Value::as_str);
                found.is_some_and(|found| values.contains(&found))
            }
        };
        let found = self.judges.iter().position(holds);
        found.ok_or_else(|| {
            let expected = self.judges.iter().filter_map(|judge| match judge.when {
                When::Is(name, values) => Some(format!("`{name}` as {}", values.join(" or "))),
                _ => None,
            });
            let expected = expected.collect::<Vec<_>>().join(", or ");
            format!("nothing judges this row, expected {expected}")
        })
    }
}

#[cfg(test)]
mod tests;
