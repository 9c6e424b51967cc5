//! Judging rows, by the math verifier with its readings, or by any other rule.

use super::{explain::Explained, rows::Row};
use anyhow::Result;
use burn_rewards::{
    OnUnparsableGold, Registry, Reward, RewardError, RewardFn, RewardInput,
    math::{self, Options, Profile, Trace, Verifier},
    rules::Math,
};
use burn_rl::error::RlError;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value};
use std::path::Path;

/// A row as it is printed.
#[derive(Debug, Serialize)]
pub struct Record {
    pub id: Value,
    /// The rule's judgement. If it makes none: whether its value is above 0, and of a rule that can
    /// only punish, whether it does.
    pub verdict: bool,
    /// What the verdict rests on.
    pub reason: String,
    /// Readings of the gold answer, best first.
    pub gold_parsed: Vec<String>,
    /// Readings of the response, best first.
    pub pred_parsed: Vec<String>,
    /// What another rule than `math` gives.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub scored: Option<Scored>,
    /// How it came about, where that was asked for.
    #[serde(rename = "explanation", skip_serializing_if = "Option::is_none")]
    pub explained: Option<Explained>,
}

/// The reward of a row.
#[derive(Debug, Serialize)]
pub struct Scored {
    pub value: f64,
    pub parts: Map<String, Value>,
}

/// The reason of a row whose gold answer cannot be used.
pub const GOLD_UNPARSED: &str = "gold_unparsed";

/// What became of a row.
pub enum Graded {
    Record(Box<Record>),
    /// Left out, because its gold answer cannot be used.
    Skipped(RlError),
}

/// Judges rows by one rule.
pub struct Grader {
    judge: Judge,
    policy: OnUnparsableGold,
    explains: bool,
    /// Whether the rule can only punish.
    punishes: bool,
    pub rule: String,
}

enum Judge {
    Math(Box<Math>),
    Rule(Box<dyn RewardFn>),
}

impl Grader {
    /// The rule with its options.
    ///
    /// # Errors
    /// An unknown rule or option.
    pub fn new(
        rule: &str,
        options: &Map<String, Value>,
        policy: OnUnparsableGold,
        explains: bool,
        rules: &Registry,
    ) -> Result<Self> {
        let found = rules.find(rule)?;
        let reward = found.reward_with(options, rules)?;
        let judge = match rule {
            "math" => {
                let mut all = (found.defaults)();
                all.extend(options.clone());
                Judge::Math(serde_json::from_value(Value::Object(all))?)
            }
            _ => Judge::Rule(reward),
        };
        Ok(Self {
            judge,
            policy,
            explains,
            punishes: found.range.1 <= 0.0,
            rule: rule.into(),
        })
    }

    /// Whether `config` and `opts` of rows mean something.
    pub fn reads_config(&self) -> bool {
        matches!(self.judge, Judge::Math(_))
    }

    /// One result a row, in their order.
    pub fn grade(&self, path: &Path, rows: &[Row]) -> Vec<Result<Graded, RlError>> {
        let at = |row: &Row, message: String| RlError::Data {
            path: path.into(),
            line: row.line,
            message,
        };
        match &self.judge {
            Judge::Math(math) => rows
                .par_iter()
                .map(|row| {
                    let judged = judge(math, row, self.explains);
                    let record = judged.map_err(|message| at(row, message))?;
                    let unusable = record.reason == GOLD_UNPARSED;
                    match unusable {
                        true => self.unusable(at(row, gold_message(row)), record),
                        false => Ok(Graded::Record(Box::new(record))),
                    }
                })
                .collect(),
            Judge::Rule(rule) => {
                let inputs: Vec<RewardInput<'_>> = rows.iter().map(input_of).collect();
                let scored = rule.score_batch(&inputs).into_iter().zip(rows);
                let one = |(scored, row): (Result<Reward, RewardError>, &Row)| match scored {
                    Ok(reward) => {
                        let mut record = rewarded(row, &reward, self.punishes);
                        if self.explains {
                            let steps = rule.explain(&input_of(row));
                            record.explained = Some(Explained::Rule { steps });
                        }
                        Ok(Graded::Record(Box::new(record)))
                    }
                    Err(error @ RewardError::Gold { .. }) => {
                        let mut record = rewarded(row, &Reward::default(), self.punishes);
                        record.reason = GOLD_UNPARSED.into();
                        self.unusable(at(row, error.to_string()), record)
                    }
                    Err(error) if error.is_input() => Err(at(row, error.to_string())),
                    Err(error) => Err(error.into()),
                };
                scored.map(one).collect()
            }
        }
    }

    fn unusable(&self, error: RlError, record: Record) -> Result<Graded, RlError> {
        match self.policy {
            OnUnparsableGold::Error => Err(error),
            OnUnparsableGold::Skip => Ok(Graded::Skipped(error)),
            OnUnparsableGold::Zero => Ok(Graded::Record(Box::new(record))),
        }
    }
}

fn input_of(row: &Row) -> RewardInput<'_> {
    let mut input = RewardInput::new(&row.pred, &row.gold)
        .with_prompt(&row.prompt)
        .with_truncated(row.truncated)
        .with_set(&row.set)
        .with_fields(&row.fields)
        .with_prompt_end(&row.prompt_end)
        .with_images(&row.image_sizes);
    input.response_tokens = row.response_tokens;
    input.step = row.step;
    input.coordinates = row.coordinates;
    input
}

fn gold_message(row: &Row) -> String {
    let expected = "expected an answer that the grader can read";
    RewardError::gold("math", &row.gold, expected).to_string()
}

/// Judges one row, with the grader that it names: a profile, or math-verify's own with one option
/// set, `nonstrict` (its `strict=False`) or `setrel` (its `allow_set_relation_comp=True`).
fn judge(rule: &Math, row: &Row, explains: bool) -> Result<Record, String> {
    let mut options = rule.compare();
    let profile = match row.config.as_deref() {
        Some("nonstrict") => {
            options.strict = false;
            Profile::MathVerify
        }
        Some("setrel") => {
            options.allow_set_relation_comp = true;
            Profile::MathVerify
        }
        Some(name) => Profile::from_name(name).map_err(|e| format!("`config`: {e}"))?,
        None => rule.profile,
    };
    let options = match row.opts.is_empty() {
        true => options,
        false => overridden(&options, &row.opts)?,
    };
    let response = rule.answer_in.of(&row.pred).unwrap_or_default();
    if explains {
        let trace = math::trace(profile, &options, &row.gold, response);
        return Ok(traced(row, profile, trace));
    }
    let explained = Verifier::with_options(profile, options).explain(&row.gold, response);
    Ok(Record {
        id: row.id.clone(),
        verdict: explained.outcome.is_equal(),
        reason: explained.outcome.reason.to_string(),
        gold_parsed: explained.gold_parsed,
        pred_parsed: explained.pred_parsed,
        scored: None,
        explained: None,
    })
}

fn overridden(options: &Options, with: &Map<String, Value>) -> Result<Options, String> {
    let wrong = |e: serde_json::Error| format!("`opts`: {e}");
    let mut all = serde_json::to_value(options).map_err(wrong)?;
    if let Value::Object(all) = &mut all {
        all.extend(with.clone());
    }
    serde_json::from_value(all).map_err(wrong)
}

fn traced(row: &Row, profile: Profile, trace: Trace) -> Record {
    Record {
        id: row.id.clone(),
        verdict: trace.outcome.is_equal(),
        reason: trace.outcome.reason.to_string(),
        explained: Some(Explained::math(profile.name(), &trace)),
        gold_parsed: trace.gold_read,
        pred_parsed: trace.pred_read,
        scored: None,
    }
}

fn rewarded(row: &Row, reward: &Reward, punishes: bool) -> Record {
    let parts = reward
        .parts
        .iter()
        .map(|(name, v)| (name.clone(), (*v).into()));
    Record {
        id: row.id.clone(),
        verdict: reward.correct.unwrap_or(match punishes {
            true => reward.value < 0.0,
            false => reward.value > 0.0,
        }),
        reason: if reward.correct.is_some() {
            "judged"
        } else {
            "value"
        }
        .into(),
        gold_parsed: vec![],
        pred_parsed: vec![],
        scored: Some(Scored {
            value: reward.value,
            parts: parts.collect(),
        }),
        explained: None,
    }
}
