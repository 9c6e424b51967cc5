//! Formulas in running text without any LaTeX, which a reading of the last number would maim:
//! `4*x - 7*y + 32 = 0` is not 0, `1-1/e` is not 1.

/// Longest plain formula.
const MAX_LEN: usize = 200;

/// Words that belong to formulas.
const WORDS: [&str; 12] = [
    "sqrt", "pi", "ln", "log", "lg", "sin", "cos", "tan", "exp", "abs", "inf", "infinity",
];

/// `text` if all of it is one plain formula with letters.
pub(super) fn whole_formula(text: &str) -> Option<&str> {
    let body = text.trim().trim_end_matches('.');
    if body.len() < 2 || body.len() > MAX_LEN || body.contains('\n') {
        return None;
    }
    formula(body).then_some(body)
}

/// The equation whose right-hand side starts at `from` and ends at `to`, if its left-hand side is
/// more than a name: operators and letters.
pub(super) fn equation(text: &str, from: usize, to: usize) -> Option<&str> {
    let head = text[..from].trim_end();
    let lhs = head.strip_suffix('=')?.trim_end();
    if lhs.ends_with(['<', '>', '!', ':', '=']) {
        return None;
    }
    let mut start = lhs.len();
    for (at, c) in lhs.char_indices().rev() {
        if lhs.len() - at > MAX_LEN || !formula_char(c) || c == '\n' {
            break;
        }
        start = at;
    }
    // Words in front belong to the sentence.
    let mut lhs = &lhs[start..];
    while let Some((word_end, _)) = word_of_sentence(lhs) {
        lhs = &lhs[word_end..];
    }
    let lhs = lhs.trim_start();
    let operators = lhs.contains(['+', '-', '*', '^', '/']);
    let letters = lhs.bytes().any(|b| b.is_ascii_alphabetic());
    if !operators || !letters || !lhs.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    let start = lhs.as_ptr() as usize - text.as_ptr() as usize;
    Some(&text[start..to])
}

fn formula_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '*' | '/' | '^' | '(' | ')' | '.' | ' ')
}

/// The first run of two letters and more that is no word of a formula: where it ends.
fn word_of_sentence(text: &str) -> Option<(usize, &str)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_alphabetic() {
            at += 1;
            continue;
        }
        let len = bytes[at..]
            .iter()
            .take_while(|b| b.is_ascii_alphabetic())
            .count();
        let word = &text[at..at + len];
        if len > 1 && !WORDS.contains(&word) {
            return Some((at + len, word));
        }
        at += len;
    }
    None
}

fn formula(body: &str) -> bool {
    let allowed = body
        .chars()
        .all(|c| formula_char(c) || matches!(c, '=' | '<' | '>' | ',' | '|' | '!'));
    if !allowed || word_of_sentence(body).is_some() {
        return false;
    }
    let letter = body.bytes().any(|b| b.is_ascii_alphabetic());
    let digit = body.bytes().any(|b| b.is_ascii_digit());
    let operator = body.contains(['+', '-', '*', '/', '^', '(', '=']);
    // `x = 5` is a number with a name; the number is found without help.
    let assignment = body
        .split_once('=')
        .is_some_and(|(lhs, _)| lhs.trim().bytes().all(|b| b.is_ascii_alphabetic()));
    letter && digit && operator && !assignment
}
