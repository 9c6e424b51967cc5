//! The math verifier: finds the answer in a response, parses it and decides whether it equals the
//! gold answer. Every step is linear or bounded by fuel; no clock, no thread, no recursion without
//! a depth limit.

mod boxes;
mod braces;
mod canon;
pub(crate) mod choice;
mod claim;
mod config;
mod decide;
mod display;
mod dress;
mod eval;
mod explain;
mod extract;
mod formula;
mod graders;
mod lex;
mod limits;
mod number;
mod parse;
mod parsed;
mod plain;
mod profile;
mod prose;
mod quantity;
mod scope;
mod statement;
pub mod tree;
mod unit_expr;
mod unit_words;
mod units;
mod verdict;
mod verify;
mod words;

pub use config::{
    BoxedMode, ExprTarget, ExtractionMode, LatexTarget, Normalization, ParseConfig, StringTarget,
    Target,
};
pub use explain::{Found, Trace, trace, why};
pub(crate) use graders::qwen_answer;
pub use parsed::{Parsed, Unparsed};
pub use profile::{Options, Profile, UnknownProfile};
pub use tree::Expr;
pub use verdict::{Outcome, Reason, Verdict};
pub use verify::{Explanation, Gold, GoldError, Verifier};

/// Finds and parses the answer in `text`.
///
/// Priorities and anchors are those of math-verify 0.9.0; what is read differently is listed in
/// `docs/math-verifier.md`. Linear in the length of `text`, which may be up to 1 MiB.
pub fn parse(text: &str, config: &ParseConfig) -> Parsed {
    extract::extract(text, config)
}

/// The number that all of `text` is, and whether a percent sign stands behind it (the number is
/// then a hundredth): `7 000`, `7/2`, `- 8`, `7 million`, `50%`.
pub(crate) fn number(text: &str) -> Option<(f64, bool)> {
    let text = plain::folded(text);
    let reading = statement::read(&text, &Normalization::default())?;
    let parsed = Parsed::of(reading);
    let percent = matches!(parsed.value(), Some(Expr::Percent(_)));
    decide::number(&parsed).map(|value| (value, percent))
}

/// Whether words in `text` deny or bound what they stand beside: "not 7", "at least 7".
pub(crate) fn denies(text: &str) -> bool {
    words::denies(text)
}

/// Whether words in `text` make another number of the one beside them: "7 squared".
pub(crate) fn changes_value(text: &str) -> bool {
    words::changes_value(text)
}
/// Parses `formula`, all of which is mathematics: LaTeX or plain, without dollar signs or a box.
///
/// # Errors
/// [`Unparsed::Syntax`] if it is no formula this parser reads, [`Unparsed::Limit`] if it is too
/// long or too deeply nested.
pub fn parse_formula(formula: &str) -> Result<Expr, Unparsed> {
    let reading = formula::read(formula, &Normalization::default());
    let mut values = reading.values?;
    if values.is_empty() {
        return Err(Unparsed::Syntax);
    }
    Ok(values.swap_remove(0))
}
