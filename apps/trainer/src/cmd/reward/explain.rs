//! `trainer reward --explain`: how an answer was read and judged.

use burn_rewards::math::{Trace, why};
use serde::Serialize;
use std::collections::BTreeMap;

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
    pub place: &'static str,
    pub text: String,
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
