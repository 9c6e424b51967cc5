//! `trainer reward --explain`: how an answer was read and judged.

use super::grade::Record;
use crate::output::Output;
use burn_rewards::math::{Trace, why};
use serde::Serialize;
use std::{collections::BTreeMap, io};

/// How a verdict came about.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Explained {
    /// By the math verifier.
    Math {
        /// Where the answer stands in the response, and the piece; none where there is none.
        #[serde(rename = "found")]
        found: Option<Piece>,
        /// Why the sides are equal or not.
        why: &'static str,
        /// What each grader says.
        profiles: BTreeMap<&'static str, bool>,
        /// The grader that decided.
        profile: &'static str,
    },
    /// By another rule: its steps.
    Rule { steps: Vec<String> },
}

/// A piece of a response.
#[derive(Debug, Serialize)]
pub struct Piece {
    place: &'static str,
    text: String,
}

impl Explained {
    /// What the math verifier did.
    pub fn math(profile: &'static str, trace: &Trace) -> Self {
        let own = (profile, trace.outcome.is_equal());
        let others = trace.others.iter();
        let others = others.map(|(profile, outcome)| (profile.name(), outcome.is_equal()));
        Self::Math {
            found: trace.found.as_ref().map(|found| Piece {
                place: found.place,
                text: found.text.clone(),
            }),
            why: why(trace.outcome),
            profiles: others.chain([own]).collect(),
            profile,
        }
    }
}

/// Writes a record for people.
///
/// # Errors
/// Anything the stream refuses.
pub fn print(out: &mut Output, record: &Record) -> io::Result<()> {
    let id = record
        .id
        .as_str()
        .map_or(record.id.to_string(), str::to_owned);
    let verdict = if record.verdict { "right" } else { "wrong" };
    let value = record
        .scored
        .as_ref()
        .map(|s| format!(", value {}", s.value));
    out.line(format_args!(
        "{id}: {verdict} ({}{})",
        record.reason,
        value.unwrap_or_default()
    ))?;
    match &record.explained {
        None => {}
        Some(Explained::Rule { steps }) => {
            for step in steps {
                out.line(format_args!("  {step}"))?;
            }
        }
        Some(Explained::Math {
            found,
            why,
            profiles,
            profile,
        }) => {
            match found {
                Some(piece) => {
                    out.line(format_args!(
                        "  found     {}: {}",
                        piece.place,
                        one_line(&piece.text)
                    ))?;
                }
                None => out.line("  found     nothing")?,
            }
            out.line(format_args!(
                "  gold      {}",
                readings(&record.gold_parsed)
            ))?;
            out.line(format_args!(
                "  answer    {}",
                readings(&record.pred_parsed)
            ))?;
            out.line(format_args!("  why       {why}"))?;
            let others = |right: bool| {
                let names = profiles
                    .iter()
                    .filter(|(name, r)| **r == right && **name != *profile);
                let names: Vec<&str> = names.map(|(name, _)| *name).collect();
                names.join(", ")
            };
            out.line(format_args!("  by        {profile}"))?;
            for (label, right) in [("right by", true), ("wrong by", false)] {
                let names = others(right);
                if !names.is_empty() {
                    out.line(format_args!("  {label}  {names}"))?;
                }
            }
        }
    }
    if let Some(scored) = &record.scored {
        for (name, value) in &scored.parts {
            out.line(format_args!("  {name} = {value}"))?;
        }
    }
    out.line("")
}

fn readings(all: &[String]) -> String {
    match all {
        [] => "not read".into(),
        all => all.join("  |  "),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
