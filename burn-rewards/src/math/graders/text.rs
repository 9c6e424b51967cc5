//! String surgery the graders share.

use crate::math::braces;

/// The last `bytes` of `text`, on a character boundary.
pub(super) fn tail(text: &str, bytes: usize) -> &str {
    let mut from = text.len().saturating_sub(bytes);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}

/// The last `count` characters of `text`.
pub(super) fn last_chars(text: &str, count: usize) -> &str {
    match text.char_indices().rev().nth(count.saturating_sub(1)) {
        Some((at, _)) => &text[at..],
        None => text,
    }
}

/// The text up to the brace that closes the one before `text`.
pub(super) fn braced(text: &str) -> Option<&str> {
    braces::up_to_closing(text).map(|(inner, _)| inner)
}

/// The content of the last `\boxed{…}` or `\fbox{…}`; `\boxed 5` holds what follows up to a `$`.
pub(super) fn last_box(text: &str) -> Option<&str> {
    let at = text
        .rfind("\\boxed")
        .into_iter()
        .chain(text.rfind("\\fbox"))
        .max()?;
    let rest = text[at..]
        .trim_start_matches("\\boxed")
        .trim_start_matches("\\fbox");
    match rest.strip_prefix('{') {
        Some(inner) => braced(inner),
        None => rest
            .strip_prefix(' ')
            .map(|r| r.split('$').next().unwrap_or(r).trim()),
    }
}

/// `\frac12` as `\frac{1}{2}`, `\frac1{72}` as `\frac{1}{72}`.
pub(super) fn braced_fractions(text: &str) -> String {
    let mut parts = text.split("\\frac");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("\\frac");
        let mut chars = part.chars();
        match (chars.next(), chars.next()) {
            (Some(a), Some(b)) if a != '{' => {
                let rest = chars.as_str();
                if b == '{' {
                    out.push_str(&format!("{{{a}}}{{{rest}"));
                } else {
                    out.push_str(&format!("{{{a}}}{{{b}}}{rest}"));
                }
            }
            (Some('{'), _) => out.push_str(part),
            // Nothing to put between braces: the whole stays as it was.
            _ => return text.to_owned(),
        }
    }
    out
}

/// `\sqrt2` as `\sqrt{2}`.
pub(super) fn braced_roots(text: &str) -> String {
    let mut parts = text.split("\\sqrt");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("\\sqrt");
        match part.chars().next() {
            Some(c) if c != '{' && c != '[' => {
                out.push_str(&format!("{{{c}}}{}", &part[c.len_utf8()..]));
            }
            _ => out.push_str(part),
        }
    }
    out
}

/// A whole `3/4` as `\frac{3}{4}`.
pub(super) fn slash_fraction(text: &str) -> String {
    let is_int = |s: &str| {
        let digits = s.strip_prefix('-').unwrap_or(s);
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
    };
    match text.split_once('/') {
        Some((a, b)) if is_int(a) && is_int(b) => {
            let plain = |s: &str| {
                let (sign, digits) = match s.strip_prefix('-') {
                    Some(d) => ("-", d),
                    None => ("", s),
                };
                let digits = digits.trim_start_matches('0');
                format!("{sign}{}", if digits.is_empty() { "0" } else { digits })
            };
            // Only what is written as it would be printed is taken for a fraction.
            if plain(a) == a && plain(b) == b {
                format!("\\frac{{{a}}}{{{b}}}")
            } else {
                text.to_owned()
            }
        }
        _ => text.to_owned(),
    }
}

/// Takes the command `name` with its braces off, keeping what is inside.
pub(super) fn unwrapped(text: &str, name: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(name) {
        out.push_str(&rest[..at]);
        let after = &rest[at + name.len()..];
        match after
            .strip_prefix('{')
            .and_then(|inner| Some((inner, inner.find('}')?)))
        {
            Some((inner, end)) => {
                out.push_str(&inner[..end]);
                rest = &inner[end + 1..];
            }
            None => {
                out.push_str(name);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}
