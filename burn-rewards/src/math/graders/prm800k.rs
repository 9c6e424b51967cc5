//! The grader of PRM800K, from which tinker-cookbook, DeepScaleR and `prime_math` start: strict
//! about form. Fractions must be reduced, an integer must be given as one, a tuple keeps its
//! brackets and order.
//!
//! Source: openai/prm800k, `prm800k/grading/grader.py` and `math_normalize.py`. Where the original
//! asks SymPy, the decision procedure of this crate is asked; what the original hands to
//! `pylatexenc` is rewritten here, with parentheses around compound numerators (there `\frac{x+1}{2}`
//! becomes `x+1/2`).

use super::text::{braced_fractions, last_box, unwrapped};
use super::{hendrycks, scan};
use crate::math::config::{LatexTarget, Target};
use crate::math::{Options, ParseConfig, Reason, decide, parse, words};

/// Units that are dropped, with plural and power.
const UNITS: [&str; 16] = [
    "degree",
    "cm",
    "centimeter",
    "meter",
    "mile",
    "second",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "year",
    "foot",
    "feet",
    "inch",
    "yard",
];

/// The last box, or the whole text.
pub(super) fn answer(text: &str, _is_gold: bool) -> Option<String> {
    let found = last_box(text).unwrap_or(text).trim();
    (!found.is_empty()).then(|| found.to_owned())
}

pub(super) fn equal(gold: &str, pred: &str) -> (bool, Reason) {
    // Its cleaning takes a word of magnitude for a unit.
    let same_scale = words::scale(gold) == words::scale(pred);
    if same_scale && hendrycks::cleaned(gold) == hendrycks::cleaned(pred) {
        return (true, Reason::SameString);
    }
    let (gold, pred) = (normalised(gold), normalised(pred));
    if gold == pred {
        return (true, Reason::SameString);
    }
    let (Some(gb), Some(pb)) = (gold.chars().next(), pred.chars().next()) else {
        return (false, Reason::NoAnswer);
    };
    let (g, p) = (elements(&gold), elements(&pred));
    let same_brackets = gb == pb && gold.chars().last() == pred.chars().last();
    if g.len() != p.len() || (g.len() > 1 && !same_brackets) {
        return (false, Reason::Shape);
    }
    (
        g.iter().zip(&p).all(|(g, p)| element_equal(g, p)),
        Reason::Parts,
    )
}

fn element_equal(gold: &str, pred: &str) -> bool {
    if scan::is_fraction(gold) && scan::is_fraction(pred) {
        return gold == pred;
    }
    if is_integer(gold) != is_integer(pred) {
        return false;
    }
    let both = format!("({gold})-({pred})");
    let bare = both.replace("sqrt", "").replace("frac", "");
    let mut letters: Vec<char> = bare.chars().filter(|c| c.is_alphabetic()).collect();
    letters.sort_unstable();
    letters.dedup();
    if letters.len() > 2 || scan::has_large_power(&both) {
        return false;
    }
    let config = ParseConfig {
        targets: vec![Target::Latex(LatexTarget::default())],
        keep_fallback: false,
        ..ParseConfig::default()
    };
    let (g, p) = (
        parse(&format!("${gold}$"), &config),
        parse(&format!("${pred}$"), &config),
    );
    decide::answers(&g, false, &p, &Options::default()).is_equal()
}

/// Whether the text is an integer, perhaps written `7.0` or `1,000`.
fn is_integer(text: &str) -> bool {
    let value = without_thousands(text).parse::<f64>();
    value.is_ok_and(|v| v.is_finite() && (v - v.round()).abs() <= 1e-7)
}

/// Deletes commas between a digit and exactly three digits.
fn without_thousands(text: &str) -> String {
    let bytes = text.as_bytes();
    let digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
    let is_separator = |i: usize| {
        bytes[i] == b',' && i > 0 && digit(i - 1) && (1..4).all(|k| digit(i + k)) && !digit(i + 4)
    };
    text.char_indices()
        .filter(|(i, _)| !is_separator(*i))
        .map(|(_, c)| c)
        .collect()
}

fn elements(text: &str) -> Vec<String> {
    let text = without_thousands(text);
    let bracket = |c: char| matches!(c, '(' | ')' | '[' | ']');
    let mut chars = text.chars();
    let bracketed = chars.next().is_some_and(bracket) && chars.next_back().is_some_and(bracket);
    let inner = chars.as_str();
    if bracketed && !inner.is_empty() && !inner.contains(bracket) {
        return inner.split(',').map(|e| e.trim().to_owned()).collect();
    }
    vec![text]
}

fn normalised(answer: &str) -> String {
    let mut out = answer.trim().to_owned();
    if let Some(inner) = out
        .strip_prefix("\\text{")
        .and_then(|r| r.strip_suffix('}'))
    {
        out = inner.to_owned();
    }
    out = out
        .replace("\\%", "%")
        .replace("\\$", "$")
        .replace(['$', '%'], "");
    out = out.replace(" or ", " , ").replace(" and ", " , ");
    for (word, power) in [("million", 6), ("billion", 9), ("trillion", 12)] {
        out = out.replace(word, &format!("*10^{power}"));
    }
    out = scan::without_units(&out, &UNITS);
    out = out
        .replace("^{\\circ}", "")
        .replace("^\\circ", "")
        .replace("^ \\circ", "");
    if let Some(inner) = out.strip_prefix('{').and_then(|r| r.strip_suffix('}')) {
        out = inner.to_owned();
    }
    out = out.replace(",\\!", "");
    out = plain_latex(&out);
    while out.contains("- ") {
        out = out.replace("- ", "-");
    }
    // `7 3/4` is a sum.
    let chars: Vec<char> = out.trim().chars().collect();
    let mut joined = String::with_capacity(out.len());
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        let gap = chars[at..].iter().take_while(|c| **c == ' ').count();
        if gap > 0 {
            let before = at > 0 && chars[at - 1].is_ascii_digit();
            let after = chars.get(at + gap).is_some_and(char::is_ascii_digit);
            if before && after {
                joined.push('+');
            }
            at += gap;
        } else {
            joined.push(c);
            at += 1;
        }
    }
    let mut out = joined.replace(['{', '}'], "").to_lowercase();
    if is_integer(&out)
        && let Ok(v) = without_thousands(&out).parse::<f64>()
        && v.abs() < 9e15
    {
        out = format!("{}", v.round() as i64);
    }
    out
}

/// LaTeX as a line of plain mathematics.
fn plain_latex(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut out = text
        .replace("\\tfrac", "\\frac")
        .replace("\\dfrac", "\\frac");
    out = fractions(&braced_fractions(&out), 0);
    for name in ["\\text", "\\mathrm", "\\textbf", "\\mathbf"] {
        out = unwrapped(&out, name);
    }
    for (from, to) in [
        ("\\left", ""),
        ("\\right", ""),
        ("\\pi", "pi"),
        ("\\infty", "inf"),
        ("\\cup", "U"),
        ("\\cdot", "*"),
        ("\\times", "*"),
        ("\\div", "/"),
        ("\\sqrt", "sqrt"),
        ("\\,", ""),
        ("\\ ", " "),
        ("\\!", ""),
        ("\\;", ""),
        ("\\le", "<="),
        ("\\ge", ">="),
        ("\\{", "{"),
        ("\\}", "}"),
    ] {
        out = out.replace(from, to);
    }
    out = out.replace("sqrt{", "sqrt({");
    // Close the parenthesis opened for a root at its matching brace.
    let mut closed = String::with_capacity(out.len());
    let mut open = Vec::new();
    for (i, c) in out.char_indices() {
        match c {
            '{' => open.push(out[..i].ends_with("sqrt(")),
            '}' if open.pop() == Some(true) => closed.push(')'),
            _ => {}
        }
        if !matches!(c, '{' | '}') {
            closed.push(c);
        }
    }
    closed
}

fn fractions(text: &str, depth: u32) -> String {
    let Some((before, after)) = text.split_once("\\frac") else {
        return text.to_owned();
    };
    let parts = after.strip_prefix('{').and_then(|a| {
        let top = super::text::braced(a)?;
        let rest = a[top.len() + 1..].strip_prefix('{')?;
        let bottom = super::text::braced(rest)?;
        Some((top, bottom, &rest[bottom.len() + 1..]))
    });
    match parts {
        Some((top, bottom, rest)) if depth < 32 => {
            let side = |s: &str| {
                let s = fractions(s, depth + 1);
                let simple = s.chars().all(|c| c.is_alphanumeric() || c == '.');
                if simple { s } else { format!("({s})") }
            };
            // A space keeps a mixed number apart.
            format!(
                "{before} {}/{}{}",
                side(top),
                side(bottom),
                fractions(rest, depth + 1)
            )
        }
        _ => format!("{before}{after}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grades(gold: &str, pred: &str) -> bool {
        equal(gold, pred).0
    }

    // The rules the original's readers rely on.
    #[test]
    fn form_counts() {
        assert!(grades("\\frac{1}{2}", "1/2"));
        assert!(!grades("1/2", "2/4"), "an unreduced fraction");
        assert!(!grades("4", "2+2"), "an integer must be given as one");
        assert!(grades("1,000", "1000"));
        assert!(grades("(1, 2)", "(1,2)"));
        assert!(!grades("(1, 2)", "[1, 2]"), "other brackets");
        assert!(grades("7 3/4", "7\\frac{3}{4}"));
        assert!(grades("3 million", "3*10^6"));
        assert!(grades("Even", "\\text{even}"));
        assert!(grades("12 cm", "12"));
    }
}
