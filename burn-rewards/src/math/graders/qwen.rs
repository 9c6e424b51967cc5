//! Qwen2.5-Math's grader, which SimpleRL uses: a relative tolerance of 1e-4, and an answer a
//! hundred times off in either direction passes as a percentage.
//!
//! Source: QwenLM/Qwen2.5-Math, `evaluation/parser.py` (`extract_answer`, `strip_string`) and
//! `evaluation/grader.py` (`math_equal`). Where the original asks SymPy, the decision procedure of
//! this crate is asked. Of its unit list, entries with free-standing dots are left out.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::scan;
use super::text::{braced, braced_fractions, slash_fraction, unwrapped};
use crate::math::config::{LatexTarget, Target};
use crate::math::{Options, ParseConfig, Reason, decide, parse};

/// Relative tolerance of numbers.
const TOLERANCE: f64 = 1e-4;

/// Nesting of lists.
const MAX_DEPTH: u32 = 8;

/// Words that are dropped, also with an "s" after them.
const UNITS: &str = "east degree mph kmph ft deg mile monkey prime ratio rd o gm lb tile per dm lt gain ab \
    way west t a h men soldier pie bc excess st inches noon percent by gal kmh c acre rise \
    th sq mark l toy coin gallon profit minw yr women feet am pm hr square are rupee rounds \
    cubic cc mtr s ohm number day hour minute min second man woman sec cube mt mp hectare \
    more unit rs kg g month km m cm mm apple liter loss yard pure year increase decrease d \
    less Surface litre metre meter inch";

static UNIT_WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| UNITS.split_whitespace().collect());

/// Units of two words.
const PHRASES: [&str; 5] = ["sq m", "sq inch", "cu cm", "cm 2", "no change"];

/// Numbers in words, as far as answers use them.
const WORDS: [&str; 21] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
];

pub(super) fn answer(text: &str, is_gold: bool) -> Option<String> {
    let found = if is_gold {
        text.to_owned()
    } else {
        extracted(text)?
    };
    let found = found.replace('\n', "");
    let found = found.trim_start().trim_start_matches(':').trim_end();
    let found = found.trim_end_matches('.').trim_end_matches('/');
    let cleaned = cleaned(found);
    (!cleaned.is_empty()).then_some(cleaned)
}

fn extracted(text: &str) -> Option<String> {
    if let Some((_, after)) = text.split_once("final answer is $")
        && let Some((inner, _)) = after.split_once("$. I hope")
    {
        return Some(inner.trim().to_owned());
    }
    if let Some((_, after)) = text.rsplit_once("boxed") {
        return Some(match after.strip_prefix('{') {
            Some(inner) => braced(inner).unwrap_or(inner).to_owned(),
            None => after.split('$').next().unwrap_or(after).trim().to_owned(),
        });
    }
    for mark in ["he answer is", "final answer is"] {
        if let Some((_, after)) = text.rsplit_once(mark) {
            return Some(after.trim().to_owned());
        }
    }
    if let Some((_, after)) = text.split_once("答案是") {
        return Some(
            after
                .trim()
                .split("\n\n")
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned(),
        );
    }
    let numbers = text.replace(',', "");
    scan::last_number(&numbers).map(str::to_owned)
}

fn cleaned(answer: &str) -> String {
    let mut out = answer.trim().trim_end_matches('.').replace("\\!", "");
    out = out
        .replace("bmatrix", "pmatrix")
        .replace("tfrac", "frac")
        .replace("dfrac", "frac");
    for (from, to) in [
        ("\\neq", "\\ne"),
        ("\\leq", "\\le"),
        ("\\geq", "\\ge"),
        ("\\left", ""),
        ("\\right", ""),
        ("\\{", "{"),
        ("\\}", "}"),
    ] {
        out = out.replace(from, to);
    }
    // A text at the end is a unit, if something stands before it.
    if out.ends_with('}')
        && let Some(at) = out.rfind("\\text{")
        && at > 0
    {
        out = out[..at].trim().to_owned();
    }
    for _ in 0..2 {
        let next = scan::without_words(&out, &PHRASES, &UNIT_WORDS);
        if !next.is_empty() {
            out = next;
        }
    }
    for gone in ["^{\\circ}", "^\\circ", "\\$", "$", "\\(", "\\)"] {
        out = out.replace(gone, "");
    }
    if let Some(value) = WORDS.iter().position(|w| *w == out.trim().to_lowercase()) {
        out = value.to_string();
    }
    out = unwrapped(&out, "\\text");
    for gone in [
        "x=", "y=", "z=", "x\\in", "y\\in", "z\\in", "x\\to", "y\\to", "z\\to",
    ] {
        out = out.replace(gone, "");
    }
    out = out
        .replace("\\emptyset", "{}")
        .replace("(-\\infty,\\infty)", "\\mathbb{R}");
    out = out
        .replace("\\%", "")
        .replace('%', "")
        .replace(" .", " 0.")
        .replace("{.", "{0.");
    out = out.replace("infinity", "\\infty");
    if !out.contains("\\infty") {
        out = out.replace("inf", "\\infty");
    }
    out = out.replace("and", "").replace("\\mathbf", "");
    if out.contains('j') && !out.contains('i') {
        out = out.replace('j', "i");
    }
    out = scan::without_zero_decimals(&out);
    if out.starts_with('.') {
        out.insert(0, '0');
    }
    if let [name, value] = out.split('=').collect::<Vec<_>>()[..]
        && name.chars().count() <= 2
    {
        out = value.to_owned();
    }
    out = scan::braced_roots(&out);
    slash_fraction(&braced_fractions(&out.replace(' ', "")))
}

fn number(text: &str) -> Option<f64> {
    let text = text.replace(',', "");
    match text.strip_suffix('%') {
        Some(inner) => inner
            .trim_end_matches('\\')
            .parse::<f64>()
            .ok()
            .map(|v| v / 100.0),
        None => text.parse::<f64>().ok(),
    }
    .filter(|v| v.is_finite())
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= TOLERANCE * a.abs().max(b.abs())
}

pub(super) fn equal(gold: &str, pred: &str, depth: u32) -> (bool, Reason) {
    let (gold, pred) = (gold.trim(), pred.trim());
    if gold.to_lowercase() == pred.to_lowercase() {
        return (true, Reason::SameString);
    }
    if matches!(gold, "A" | "B" | "C" | "D" | "E") {
        let last = scan::last_choice(&pred.to_uppercase());
        if last.is_some_and(|letter| gold.starts_with(letter)) {
            return (true, Reason::SameString);
        }
    }
    if let (Some(g), Some(p)) = (number(gold), number(pred)) {
        let passes = [g / 100.0, g, g * 100.0].into_iter().any(|g| close(g, p));
        return (passes, Reason::Rounded);
    }
    let bare = |s: &str| s.replace(['{', '}', '(', ')', '[', ']'], "").to_lowercase();
    if bare(gold) == bare(pred) {
        return (true, Reason::SameString);
    }
    if depth < MAX_DEPTH {
        if let Some(decided) = lists(gold, pred, depth) {
            return decided;
        }
        let simple = |s: &str| {
            let (name, value) = s.split_once('=')?;
            (!value.contains('=') && name.trim().chars().count() <= 2).then(|| value.to_owned())
        };
        match (gold.contains('='), pred.contains('=')) {
            (false, true) => {
                if let Some(value) = simple(pred) {
                    return equal(gold, &value, depth + 1);
                }
            }
            (true, false) => {
                if let Some(value) = simple(gold) {
                    return equal(&value, pred, depth + 1);
                }
            }
            _ => {}
        }
    }
    symbolic(gold, pred)
}

/// Lists between brackets, element by element, whatever the brackets.
fn lists(gold: &str, pred: &str, depth: u32) -> Option<(bool, Reason)> {
    fn inner(s: &str) -> Option<Vec<&str>> {
        let open = s.starts_with(['(', '[']) && s.ends_with([')', ']']) && s.len() > 2;
        open.then(|| s[1..s.len() - 1].split(',').collect())
    }
    let (g, p) = (inner(gold)?, inner(pred)?);
    if g.len() < 2 && p.len() < 2 {
        return None;
    }
    let same = g.len() == p.len() && g.iter().zip(&p).all(|(g, p)| equal(g, p, depth + 1).0);
    Some((same, Reason::Parts))
}

fn symbolic(gold: &str, pred: &str) -> (bool, Reason) {
    let config = ParseConfig {
        targets: vec![Target::Latex(LatexTarget::default())],
        keep_fallback: false,
        ..ParseConfig::default()
    };
    let (g, p) = (
        parse(&format!("${gold}$"), &config),
        parse(&format!("${pred}$"), &config),
    );
    let decision = decide::answers(&g, false, &p, &Options::default());
    if decision.is_equal() {
        return (true, decision.reason);
    }
    match (decide::number(&g), decide::number(&p)) {
        (Some(g), Some(p)) => (close(g, p), Reason::Rounded),
        _ => (false, decision.reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grades(gold: &str, response: &str) -> bool {
        match (answer(gold, true), answer(response, false)) {
            (Some(g), Some(p)) => equal(&g, &p, 0).0,
            _ => false,
        }
    }

    // Cases of the original's own tests and rules.
    #[test]
    fn tolerance_and_percent() {
        assert!(grades("3.14159", "the answer is 3.1416"));
        assert!(!grades("3.14159", "the answer is 3.15"));
        assert!(grades("0.1", "\\boxed{10}"), "a percentage");
        assert!(grades("A", "\\boxed{(A)}"));
        assert!(grades("5", "\\boxed{x=5}"));
        assert!(grades("12", "\\boxed{12 \\text{ cm}}"));
        assert!(grades("5", "The answer is five."));
        assert!(!grades("x=y", "\\boxed{x=z}"));
    }

    #[test]
    fn lists_ignore_brackets() {
        assert!(equal("[1,2,3]", "(1,2,3)", 0).0);
        assert!(!equal("[1,2,3]", "[1,2,4]", 0).0);
    }
}
