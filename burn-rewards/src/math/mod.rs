//! The math verifier: finds the answer in a response, parses it and decides whether it equals the
//! gold answer. Every step is linear or bounded by fuel; no clock, no thread, no recursion without
//! a depth limit.

mod bare;
mod boxes;
mod canon;
mod config;
mod decide;
mod display;
mod eval;
mod extract;
mod formula;
mod graders;
mod lex;
mod limits;
mod parse;
mod parsed;
mod profile;
pub mod tree;
mod units;
mod verify;

pub use config::{
    BoxedMode, ExprTarget, ExtractionMode, LatexTarget, Normalization, ParseConfig, StringTarget,
    Target,
};
pub(crate) use graders::qwen_answer;
pub use parsed::{Parsed, Unparsed};
pub use profile::{Options, Profile, UnknownProfile};
pub use tree::Expr;
pub use verify::{Explanation, Gold, GoldError, Outcome, Reason, Verdict, Verifier};

/// Finds and parses the answer in `text`.
///
/// Priorities and anchors are those of math-verify 0.9.0; what is read differently is listed in
/// `docs/math-verifier.md`. Linear in the length of `text`, which may be up to 1 MiB.
pub fn parse(text: &str, config: &ParseConfig) -> Parsed {
    extract::extract(text, config)
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
