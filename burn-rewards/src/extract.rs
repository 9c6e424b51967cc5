//! Finding the answer inside a response. Every function is linear in the text.

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

/// The content of the first `<answer>…</answer>` that stands in one line, as it is.
///
/// Which is what Python's `<answer>(.*?)</answer>` finds without `DOTALL`: the way of the seed
/// systems, kept for their compatible modes.
///
/// ```
/// use burn_rewards::extract::first_line_answer_tag;
/// assert_eq!(first_line_answer_tag("<answer>1</answer><answer>2</answer>"), Some("1"));
/// assert_eq!(first_line_answer_tag("<answer>\n1</answer>"), None);
/// ```
pub fn first_line_answer_tag(text: &str) -> Option<&str> {
    text.split('\n').find_map(|line| {
        let (_, rest) = line.split_once("<answer>")?;
        let (content, _) = rest.split_once("</answer>")?;
        Some(content)
    })
}

/// What follows the last words that announce an answer, in English or Chinese.
pub(crate) fn announced(text: &str) -> Option<&str> {
    const WORDS: [&str; 6] = [
        "answer is",
        "answer:",
        "答案是",
        "答案为",
        "答案：",
        "答案:",
    ];
    let after = |words: &&str| {
        let mut windows = text.as_bytes().windows(words.len());
        let at = windows.rposition(|window| window.eq_ignore_ascii_case(words.as_bytes()))?;
        Some(at + words.len())
    };
    let last = WORDS.iter().filter_map(after).max()?;
    Some(&text[last..])
}

/// The last whole `\boxed{…}` of the text, its outer braces balanced: the box and its content.
///
/// Of nested boxes it is the outer one; a box that is never closed is none.
///
/// ```
/// use burn_rewards::extract::last_box;
/// assert_eq!(last_box(r"\boxed{1} so \boxed{\frac{1}{2}}"), Some((r"\boxed{\frac{1}{2}}", r"\frac{1}{2}")));
/// assert_eq!(last_box(r"\boxed{1} or \boxed{2"), Some((r"\boxed{1}", "1")));
/// ```
pub fn last_box(text: &str) -> Option<(&str, &str)> {
    const OPEN: &str = r"\boxed";
    let mut open = vec![];
    let mut last = None;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => open.push(at),
            b'}' => {
                if let Some(start) = open.pop().filter(|s| text[..*s].ends_with(OPEN)) {
                    last = Some((start, at));
                }
            }
            _ => {}
        }
    }
    let (start, end) = last?;
    Some((&text[start - OPEN.len()..=end], &text[start + 1..end]))
}

/// The items of a list as Python prints or JSON writes it: `['a', "b's", 3]`; none where the text is
/// no such list. Lists inside it are none.
///
/// ```
/// use burn_rewards::extract::python_list;
/// assert_eq!(python_list(r#"['a', "b's", 3]"#).unwrap(), ["a", "b's", "3"]);
/// assert_eq!(python_list("a, b"), None);
/// ```
pub fn python_list(text: &str) -> Option<Vec<String>> {
    let inside = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    let mut items = vec![];
    let mut chars = inside.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let mut item = String::new();
        match chars.peek().copied() {
            None => return Some(items),
            Some(quote @ ('\'' | '"')) => {
                chars.next();
                loop {
                    match chars.next()? {
                        c if c == quote => break,
                        '\\' => match chars.next()? {
                            'n' => item.push('\n'),
                            't' => item.push('\t'),
                            c if c == '\\' || c == '\'' || c == '"' => item.push(c),
                            c => item.extend(['\\', c]),
                        },
                        c => item.push(c),
                    }
                }
                while chars.next_if(|c| c.is_whitespace()).is_some() {}
            }
            Some(_) => {
                while let Some(c) = chars.next_if(|c| *c != ',') {
                    item.push(c);
                }
                item.truncate(item.trim_end().len());
                if item.is_empty() || item.contains(['[', ']', '\'', '"']) {
                    return None;
                }
            }
        }
        items.push(item);
        match chars.next() {
            None => return Some(items),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}

/// What a response says as its answer: the last `<answer>`, else the last box, else all of it.
pub fn stated(response: &str) -> &str {
    last_answer_tag(response)
        .or_else(|| last_box(response).map(|(_, content)| content))
        .unwrap_or(response)
        .trim()
}

/// Whether a gold answer says nothing: blank, or an empty box.
pub(crate) fn is_blank(answer: &str) -> bool {
    let inner = last_box(answer).map_or(answer, |(_, content)| content);
    inner
        .trim_matches(|c: char| c.is_whitespace() || c == '$')
        .is_empty()
}

/// White space as Python's `str.strip`, `str.split` and `\s` have it.
pub(crate) fn is_python_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// Python's `text.strip()`.
pub(crate) fn python_strip(text: &str) -> &str {
    text.trim_matches(is_python_space)
}
