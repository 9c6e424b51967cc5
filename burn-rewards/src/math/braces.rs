//! The braces of LaTeX.

/// What is between the brace that `text` begins with, after spaces, and the one that closes it; and
/// what follows.
pub(super) fn group(text: &str) -> Option<(&str, &str)> {
    up_to_closing(text.trim_start().strip_prefix('{')?)
}

/// `text` up to the brace that closes one before it, and what follows.
pub(super) fn up_to_closing(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1_usize;
    for (at, b) in text.bytes().enumerate() {
        match b {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[..at], &text[at + 1..]));
        }
    }
    None
}
