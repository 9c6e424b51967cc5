//! What extraction and parsing found.

use super::formula::Reading;
use super::tree::Expr;

/// Why there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unparsed {
    /// Nothing in the text looks like an answer.
    #[error("no answer found")]
    NoMatch,
    /// An answer was found and is not mathematics this parser reads.
    #[error("the answer does not parse")]
    Syntax,
    /// The text, the answer, its tokens, depth or digits exceed a limit.
    #[error("the answer exceeds a size limit")]
    Limit,
}

/// The answer of one text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parsed {
    /// The answer as most naturally read; other readings of the same text follow, best first
    /// (`1,234` is a number, then a list). Empty if nothing parsed.
    pub values: Vec<Expr>,
    /// The literal found by a [`super::StringTarget`].
    pub literal: Option<String>,
    /// The cleaned text of the first match tried, for a comparison as a string.
    pub fallback: Option<String>,
    /// Why `values` and `literal` are empty.
    pub reason: Option<Unparsed>,
}

impl Parsed {
    /// What one reading says.
    pub(super) fn of(reading: Reading) -> Self {
        let fallback = (!reading.text.is_empty()).then_some(reading.text);
        match reading.values {
            Ok(values) => Self {
                values,
                fallback,
                ..Self::default()
            },
            Err(reason) => Self {
                fallback,
                reason: Some(reason),
                ..Self::default()
            },
        }
    }

    /// Nothing found.
    pub fn none(reason: Unparsed) -> Self {
        Self {
            reason: Some(reason),
            ..Self::default()
        }
    }

    /// The answer as most naturally read.
    pub fn value(&self) -> Option<&Expr> {
        self.values.first()
    }
}
