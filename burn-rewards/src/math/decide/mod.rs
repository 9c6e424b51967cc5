//! Whether two parsed answers are equal.

use super::{Options, Parsed, Reason, Unparsed, Verdict};

/// A verdict and what it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// The reason.
    pub reason: Reason,
}

/// Decides between all readings of the gold answer and of the response.
pub(super) fn answers(gold: &Parsed, pred: &Parsed, _options: &Options) -> Decision {
    if gold.values.iter().any(|g| pred.values.contains(g)) {
        return Decision {
            verdict: Verdict::Equal,
            reason: Reason::SameForm,
        };
    }
    if gold.literal.is_some() && gold.literal == pred.literal {
        return Decision {
            verdict: Verdict::Equal,
            reason: Reason::SameString,
        };
    }
    let reason = match pred.reason {
        Some(Unparsed::NoMatch) => Reason::NoAnswer,
        Some(Unparsed::Syntax) => Reason::Unparsed,
        Some(Unparsed::Limit) => Reason::Limit,
        None => Reason::Parts,
    };
    Decision {
        verdict: Verdict::Different,
        reason,
    }
}
