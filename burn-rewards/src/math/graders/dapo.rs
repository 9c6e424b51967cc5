//! `math_dapo` of verl (the DAPO and AIME sets): what follows the last "Answer:" in the last 300
//! characters, cleaned and compared as a string. No mathematics.
//!
//! Source: volcengine/verl, `verl/utils/reward_score/math_dapo.py`, `is_correct_minerva`; its
//! cleaning is Minerva's (Lewkowycz et al. 2022, appendix D).

use super::scan;
use super::text::{last_box, last_chars, unwrapped};

/// Characters of a response that are looked at.
const WINDOW: usize = 300;

/// Replaced in this order.
const SUBSTITUTIONS: [(&str, &str); 10] = [
    ("an ", ""),
    ("a ", ""),
    (".$", "$"),
    ("\\$", ""),
    ("\\ ", ""),
    (" ", ""),
    ("mbox", "text"),
    (",\\text{and}", ","),
    ("\\text{and}", ","),
    ("\\text{m}", "\\text{}"),
];

/// Deleted in this order.
const REMOVED: [&str; 40] = [
    "square",
    "ways",
    "integers",
    "dollars",
    "mph",
    "inches",
    "hours",
    "km",
    "units",
    "\\ldots",
    "sue",
    "points",
    "feet",
    "minutes",
    "digits",
    "cents",
    "degrees",
    "cm",
    "gm",
    "pounds",
    "meters",
    "meals",
    "edges",
    "students",
    "childrentickets",
    "multiples",
    "\\text{s}",
    "\\text{.}",
    "\\text{\ns}",
    "\\text{}^2",
    "\\text{}^3",
    "\\text{\n}",
    "\\text{}",
    "\\mathrm{th}",
    "^\\circ",
    "^{\\circ}",
    "\\;",
    ",\\!",
    "{,}",
    "\"",
];

pub(super) fn answer(text: &str, is_gold: bool) -> Option<String> {
    if is_gold {
        let cleaned = cleaned(text);
        return (!cleaned.is_empty()).then_some(cleaned);
    }
    let window = last_chars(text, WINDOW);
    scan::last_answer_line(window).map(cleaned)
}

/// A cleaned answer without what the original stumbles over: markup, `\(…\)`, a full stop,
/// `\dfrac`.
pub(super) fn plainly(answer: &str) -> String {
    let mut out = answer
        .replace("\\dfrac", "\\frac")
        .replace("\\tfrac", "\\frac");
    for gone in [
        "\\(", "\\)", "\\[", "\\]", "**", "`", "\\left", "\\right", "\\,", "\\!",
    ] {
        out = out.replace(gone, "");
    }
    let out = out.trim_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '_'));
    let out = out.trim_end_matches(['.', '。', ',', ';']);
    shorthand(out, "frac", 2)
}

fn cleaned(answer: &str) -> String {
    let mut out = answer.rsplit('=').next().unwrap_or(answer).to_owned();
    for (from, to) in SUBSTITUTIONS {
        out = out.replace(from, to);
    }
    for name in REMOVED {
        out = out.replace(name, "");
    }
    out = out.replace("\\dots", "");
    // Between the first two dollar signs, if there are two.
    let mut dollars = out.splitn(3, '$');
    if let (Some(_), Some(inner), Some(_)) = (dollars.next(), dollars.next(), dollars.next()) {
        out = inner.to_owned();
    }
    for name in ["\\text", "\\textbf", "\\overline"] {
        out = unwrapped(&out, name);
    }
    if out.contains("\\boxed{")
        && let Some(inner) = last_box(&out)
    {
        out = inner.to_owned();
    }
    out = shorthand(&out, "frac", 2);
    out = shorthand(&out, "sqrt", 1);
    out = out.replace('$', "");
    let digits = out.replace(',', "");
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        out = digits;
    }
    out.trim().to_owned()
}

/// Braces around the `count` characters after a command that has none.
fn shorthand(text: &str, name: &str, count: usize) -> String {
    let mut parts = text.split(name);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(name);
        let bare = part.chars().next().is_some_and(|c| c != '{') && part.chars().count() >= count;
        if bare {
            let mut chars = part.chars();
            for c in chars.by_ref().take(count) {
                out.push_str(&format!("{{{c}}}"));
            }
            out.push_str(chars.as_str());
        } else {
            out.push_str(part);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    // Values from `normalize_final_answer` of the source.
    #[test]
    fn cleaning() {
        assert_eq!(cleaned("x = 1,234"), "1234");
        assert_eq!(cleaned("$\\frac12$"), "\\frac{1}{2}");
        assert_eq!(cleaned("\\text{even}"), "even");
        assert_eq!(cleaned("12 dollars"), "12");
        assert_eq!(cleaned("\\sqrt3"), "\\sqrt{3}");
    }

    #[test]
    fn the_last_answer_within_the_window() {
        assert_eq!(
            answer("Answer: 3\nso Answer: 4", false).as_deref(),
            Some("4")
        );
        assert_eq!(
            answer(&format!("Answer: 3\n{}", "x".repeat(300)), false),
            None
        );
        assert_eq!(answer("it is 4", false), None);
    }
}
