//! Which part of a response says the answer.

/// The part of `text` that decides: what stands in the last `<answer>`, else what follows the
/// thinking, else all of it. An answer tag decides even if nothing can be read in it.
pub(super) fn deciding(text: &str) -> &str {
    const OPEN: &str = "<answer>";
    let after_think = text.rsplit_once("</think>").map(|(_, after)| after);
    let text = after_think
        .filter(|after| !after.trim().is_empty())
        .unwrap_or(text);
    if let Some(end) = text.rfind("</answer>")
        && let Some(start) = text[..end].rfind(OPEN)
    {
        return text[start + OPEN.len()..end].trim();
    }
    // A tag that is not closed holds the rest.
    match text.rsplit_once(OPEN) {
        Some((_, inner)) if !inner.trim().is_empty() => inner.trim(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::deciding;

    #[test]
    fn the_tag_before_the_thinking() {
        for (text, part) in [
            ("5", "5"),
            ("<think>7</think><answer> 8 </answer> 9", "8"),
            ("<think>7</think> 8", " 8"),
            ("<think>7</think>", "<think>7</think>"),
            ("<think>7<answer>6</answer></think>", "6"),
            ("<answer>1</answer><answer>2</answer>", "2"),
            ("<answer></answer> 3", ""),
            ("x <answer>3", "3"),
            ("<think><answer>1</answer></think> 2", " 2"),
        ] {
            assert_eq!(deciding(text), part, "{text}");
        }
    }
}
