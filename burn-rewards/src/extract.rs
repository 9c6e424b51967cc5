//! Finding the answer inside a response.

/// The content of the last `<answer>…</answer>` of `response`, trimmed.
///
/// ```
/// use burn_rewards::extract::last_answer_tag;
/// assert_eq!(last_answer_tag("<answer>1</answer> no, <answer> 2 </answer>"), Some("2"));
/// assert_eq!(last_answer_tag("<answer>2"), None);
/// ```
pub fn last_answer_tag(response: &str) -> Option<&str> {
    const OPEN: &str = "<answer>";
    let end = response.rfind("</answer>")?;
    let start = response[..end].rfind(OPEN)? + OPEN.len();
    Some(response[start..end].trim())
}
