//! The grader of the MATH data set: the last box, cleaned, compared as a string.
//!
//! Source: Hendrycks et al. 2021, `math_equivalence.py`; verl's `math_reward` is the same.

use super::text::{braced_fractions, braced_roots, last_box, slash_fraction};

pub(super) fn answer(text: &str, is_gold: bool) -> Option<String> {
    let found = match last_box(text) {
        Some(inner) => inner,
        None if is_gold => text.trim(),
        None => return None,
    };
    let cleaned = cleaned(found);
    (!cleaned.is_empty()).then_some(cleaned)
}

pub(super) fn cleaned(answer: &str) -> String {
    let mut out = answer
        .replace('\n', "")
        .replace("\\!", "")
        .replace("\\\\", "\\");
    out = out.replace("tfrac", "frac").replace("dfrac", "frac");
    out = out.replace("\\left", "").replace("\\right", "");
    out = out
        .replace("^{\\circ}", "")
        .replace("^\\circ", "")
        .replace("\\$", "");
    // A unit on the right: one `\text{ …` with the space that units have.
    if let Some((before, _)) = out.split_once("\\text{ ") {
        out = before.to_owned();
    }
    out = out
        .replace("\\%", "")
        .replace(" .", " 0.")
        .replace("{.", "{0.");
    if out.starts_with('.') {
        out.insert(0, '0');
    }
    // `k = 5`: a short name on the left is dropped.
    if let [name, value] = out.split('=').collect::<Vec<_>>()[..]
        && name.chars().count() <= 2
    {
        out = value.to_owned();
    }
    out = braced_roots(&out).replace(' ', "");
    out = braced_fractions(&out);
    if out == "0.5" {
        out = "\\frac{1}{2}".to_owned();
    }
    slash_fraction(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Values from `strip_string` of the source.
    #[test]
    fn cleaning() {
        assert_eq!(cleaned("\\dfrac12"), "\\frac{1}{2}");
        assert_eq!(cleaned("3/4"), "\\frac{3}{4}");
        assert_eq!(cleaned("0.5"), "\\frac{1}{2}");
        assert_eq!(cleaned("x = 5"), "5");
        assert_eq!(cleaned("12\\text{ cm}"), "12");
        assert_eq!(cleaned("\\left(1,2\\right)"), "(1,2)");
        assert_eq!(cleaned("90^\\circ"), "90");
    }

    #[test]
    fn only_a_box_is_an_answer() {
        assert_eq!(
            answer("so $\\boxed{\\frac{1}{2}}$.", false).as_deref(),
            Some("\\frac{1}{2}")
        );
        assert_eq!(answer("so 5", false), None);
    }
}
