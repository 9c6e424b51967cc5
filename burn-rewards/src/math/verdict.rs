//! What is said of a response, and what it rests on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether the response answers the gold answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The answers are equal.
    Equal,
    /// They are not, or the response holds no answer.
    Different,
    /// Not decided within the limits; counts as not equal.
    Unknown,
    /// The gold answer does not parse, so nothing is said about the response.
    GoldUnparsed,
}

/// What a verdict rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The same canonical form.
    SameForm,
    /// The same string.
    SameString,
    /// Exact rational arithmetic.
    Exact,
    /// Rounded to the decimals of the options.
    Rounded,
    /// Values modulo a prime at random points.
    Modular,
    /// Values in complex doubles, and at 192 bits where they agree.
    Numeric,
    /// Same or different parts: elements, ends, rows, sides.
    Parts,
    /// One is a set, relation, matrix or text and the other is not, or their sizes differ.
    Shape,
    /// The response holds no answer.
    NoAnswer,
    /// The response's answer does not parse.
    Unparsed,
    /// A size limit was exceeded.
    Limit,
    /// The work limit was used up.
    Fuel,
    /// No point was found at which both sides have a value.
    NoPoint,
    /// The expression uses something this verifier cannot evaluate.
    Unsupported,
    /// The gold answer does not parse.
    GoldUnparsed,
}

impl Reason {
    /// The name in result files.
    pub fn name(self) -> &'static str {
        match self {
            Self::SameForm => "same_form",
            Self::SameString => "same_string",
            Self::Exact => "exact",
            Self::Rounded => "rounded",
            Self::Modular => "modular",
            Self::Numeric => "numeric",
            Self::Parts => "parts",
            Self::Shape => "shape",
            Self::NoAnswer => "no_answer",
            Self::Unparsed => "unparsed",
            Self::Limit => "limit",
            Self::Fuel => "fuel",
            Self::NoPoint => "no_point",
            Self::Unsupported => "unsupported",
            Self::GoldUnparsed => "gold_unparsed",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A verdict and its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether the answers are equal.
    pub verdict: Verdict,
    /// What the verdict rests on.
    pub reason: Reason,
}

impl Outcome {
    pub(super) fn new(verdict: Verdict, reason: Reason) -> Self {
        Self { verdict, reason }
    }

    /// Whether the answers are equal; everything but [`Verdict::Equal`] is not.
    pub fn is_equal(self) -> bool {
        self.verdict == Verdict::Equal
    }
}
