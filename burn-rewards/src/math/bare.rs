//! Answers without delimiters: `\frac{14}{3}` or `x < 3` as the columns of data sets hold them.

/// Longer texts are no bare formula.
const MAX_BYTES: usize = 2_048;

/// Commands whose argument is words.
const WORDY: [&str; 12] = [
    "text",
    "textbf",
    "textit",
    "textrm",
    "mbox",
    "mathrm",
    "mathbf",
    "mathbb",
    "operatorname",
    "begin",
    "end",
    "ce",
];

/// The text between dollar signs, if all of it is one formula: one line, no delimiter, no box, no
/// word outside of commands, and something a number alone does not have.
pub(super) fn delimited(text: &str) -> Option<String> {
    let text = text.trim();
    is_formula(text).then(|| format!("${text}$"))
}

fn is_formula(text: &str) -> bool {
    let delimits = ["$", "\\(", "\\[", "\\boxed", "\\fbox", "\n", "####"];
    if text.len() > MAX_BYTES || delimits.iter().any(|d| text.contains(d)) {
        return false;
    }
    let mut rest = text;
    let (mut is_more_than_a_number, mut has_letter) = (false, false);
    while let Some(c) = rest.chars().next() {
        if c == '\\' {
            is_more_than_a_number = true;
            rest = after_command(&rest[1..]);
            continue;
        }
        let word = rest
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(rest.len());
        if word > c.len_utf8() && c.is_alphabetic() {
            return false;
        }
        has_letter |= c.is_alphabetic();
        is_more_than_a_number |= matches!(
            c,
            '^' | '_' | '=' | '<' | '>' | '|' | ',' | ':' | '!' | '√' | '²' | '³' | '≤' | '≥' | '∞'
        ) || has_letter && matches!(c, '+' | '-' | '*' | '/');
        rest = &rest[c.len_utf8()..];
    }
    is_more_than_a_number
}

/// What follows a command, and its argument if that is words.
fn after_command(rest: &str) -> &str {
    let end = rest.find(|c: char| !c.is_ascii_alphabetic());
    let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
    if name.is_empty() {
        let mut chars = rest.chars();
        chars.next();
        return chars.as_str();
    }
    let argument = after.trim_start().strip_prefix('{');
    match argument.filter(|_| WORDY.contains(&name)) {
        Some(argument) => argument.split_once('}').map_or("", |(_, after)| after),
        None => after,
    }
}

#[cfg(test)]
mod tests {
    use super::is_formula;

    #[test]
    fn formulas_and_sentences() {
        for text in [
            r"\frac{14}{3}",
            r"11\sqrt2",
            r"\text{June 20}",
            r"\begin{pmatrix} -18 \\ -49 \end{pmatrix}",
            "x < 3",
            "2, 3, 5",
            "(1,2),(3,4)",
            r"x > 1 \text{ or } x < -1",
            r"10 \mathrm{~m} / \mathrm{s}",
            "y = 2x + 3",
            "2√3",
            "n+1",
            "π/2",
        ] {
            assert!(is_formula(text), "{text}");
        }
        for text in [
            "284",
            "-3.5",
            "18%",
            "C",
            "B (C)",
            "(A)",
            "3-4",
            "the answer is \\frac{1}{2}",
            "x = 3 or x = 5",
            "$x^2$",
            "\\boxed{5}",
            "3 apples",
            "5+5=10\n#### 10",
            "",
        ] {
            assert!(!is_formula(text), "{text}");
        }
    }
}
