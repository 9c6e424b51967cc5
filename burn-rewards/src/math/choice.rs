//! Option letters in a text.

use super::claim::is_refused;

/// The single letter that `text` is, in any of the usual forms: `B`, `b`, `(B)`, `[b]`, `B.`,
/// `B)`, `**B**`, `$B$`, `\boxed{B}`, `\text{(B)}`; upper-cased. Nothing else may stand beside it.
pub(crate) fn single(text: &str, letters: &str) -> Option<char> {
    let mut rest = text.trim();
    loop {
        let inner = rest
            .trim_matches(|c: char| c.is_whitespace() || "*_`$'\"".contains(c))
            .trim_end_matches(['.', ',', ':', ';', '!']);
        let inner = unwrap(inner);
        if inner == rest {
            break;
        }
        rest = inner;
    }
    let rest = rest.strip_suffix(')').unwrap_or(rest);
    let mut chars = rest.chars();
    let letter = chars.next()?.to_ascii_uppercase();
    (chars.next().is_none() && letters.contains(letter)).then_some(letter)
}

fn unwrap(text: &str) -> &str {
    const WRAPS: [(&str, &str); 7] = [
        ("(", ")"),
        ("[", "]"),
        ("{", "}"),
        ("\\boxed{", "}"),
        ("\\text{", "}"),
        ("\\textbf{", "}"),
        ("\\mathrm{", "}"),
    ];
    let inside = |(open, close): &(&str, &str)| text.strip_prefix(open)?.strip_suffix(close);
    WRAPS.iter().find_map(inside).unwrap_or(text)
}

/// All option letters that stand for themselves in `text`, in order: upper case, no letter, digit,
/// apostrophe or backslash beside them.
///
/// `A` before a word in lower case is the article, unless that word goes on about an option
/// (`A is right`).
pub(crate) fn standing<'a>(
    text: &'a str,
    letters: &'a str,
) -> impl Iterator<Item = (usize, char)> + 'a {
    let glued = |c: Option<char>| {
        c.is_some_and(|c| (c.is_alphanumeric() && !is_cjk(c)) || "'’_\\-".contains(c))
    };
    text.char_indices().filter(move |(at, letter)| {
        let after = &text[at + letter.len_utf8()..];
        let free = !glued(text[..*at].chars().next_back()) && !glued(after.chars().next());
        let article = *letter == 'A' && is_article(after);
        letters.contains(*letter) && free && !article
    })
}

fn is_cjk(c: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&c)
}

/// The last letter that stands for itself, unless words take it back ("not B") or it is one of
/// several on offer ("A or B").
pub(crate) fn last_standing(text: &str, letters: &str) -> Option<char> {
    let all: Vec<(usize, char)> = standing(text, letters).collect();
    let (at, letter) = *all.last()?;
    if is_refused(text, at, at + letter.len_utf8()) {
        return None;
    }
    let before = all.len().checked_sub(2).map(|i| all[i]);
    let on_offer = before.is_some_and(|(other_at, other)| {
        other != letter && joins(&text[other_at + other.len_utf8()..at])
    });
    (!on_offer).then_some(letter)
}

/// The first letter that stands for itself, unless words take it back or another goes with it.
pub(crate) fn first_standing(text: &str, letters: &str) -> Option<char> {
    let mut all = standing(text, letters);
    let (at, first) = all.next()?;
    let end = match all.next() {
        // `B or C` offers two; what follows a full stop is another matter.
        Some((next, letter)) if joins(&text[at + first.len_utf8()..next]) => {
            next + letter.len_utf8()
        }
        _ => at + first.len_utf8(),
    };
    match end > at + first.len_utf8() {
        true => last_standing(&text[..end], letters),
        false => (!is_refused(text, at, end)).then_some(first),
    }
}

/// Whether text between two letters says that both count.
fn joins(between: &str) -> bool {
    let mut words = between.split(|c: char| !c.is_alphanumeric());
    !between.contains(['.', '\n', ':'])
        && words.all(|w| matches!(w, "" | "or" | "and" | "或" | "和"))
}

/// The letter that an option with its text begins with: `B. 12 cm`, `(B) two chairs`.
pub(crate) fn label(text: &str, letters: &str) -> Option<char> {
    let mut rest = text.trim();
    for wrap in ["\\textbf{", "\\text{", "\\mathrm{", "**"] {
        rest = rest.strip_prefix(wrap).unwrap_or(rest);
    }
    let (letter, after) = match rest.strip_prefix('(') {
        Some(inner) => {
            let letter = inner.chars().next()?;
            (letter, inner[letter.len_utf8()..].strip_prefix(')')?)
        }
        None => {
            let letter = rest.chars().next()?;
            let after = rest[letter.len_utf8()..].strip_prefix(['.', ':', ')'])?;
            (letter, after.strip_prefix(' ')?)
        }
    };
    let says_more =
        after.contains(char::is_alphanumeric) && standing(after, letters).next().is_none();
    (says_more && letters.contains(letter)).then_some(letter)
}

fn is_article(after: &str) -> bool {
    const GOES_ON: [&str; 8] = ["is", "was", "because", "since", "as", "and", "or", "would"];
    let Some(rest) = after.strip_prefix(' ') else {
        return false;
    };
    let end = rest
        .find(|c: char| !c.is_alphanumeric())
        .unwrap_or(rest.len());
    let word = &rest[..end];
    word.starts_with(char::is_lowercase) && !GOES_ON.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_in_any_dress() {
        for text in [
            "B",
            "b",
            " (B) ",
            "[b].",
            "B.",
            "B)",
            "**B**",
            "$B$",
            r"$\boxed{B}$",
            r"\text{(B)}",
            r"\boxed{\text{B}}.",
        ] {
            assert_eq!(single(text, "ABCD"), Some('B'), "{text}");
        }
        for text in ["", "Bo", "B C", "E", "(", "((", "B 2", "é"] {
            assert_eq!(single(text, "ABCD"), None, "{text}");
        }
    }

    #[test]
    fn letters_that_are_chosen() {
        for (text, chosen) in [
            ("It is B", Some('B')),
            ("答案是B。", Some('B')),
            ("A, then B", Some('B')),
            ("A or B", None),
            ("not B", None),
            ("anything but B", None),
            ("(A) and (B)", None),
        ] {
            assert_eq!(last_standing(text, "ABCD"), chosen, "{text}");
        }
        assert_eq!(label("B. 12 cm", "ABCD"), Some('B'));
        assert_eq!(label(r"\text{(B) }12", "ABCD"), Some('B'));
        assert_eq!(label("B", "ABCD"), None);
        assert_eq!(label("Because", "ABCD"), None);
    }

    #[test]
    fn letters_inside_words_do_not_stand() {
        let all = |text| standing(text, "ABCD").map(|(_, c)| c).collect::<String>();
        assert_eq!(all("BAD Cab D'accord AB-C 2A A's"), "");
        assert_eq!(all("A B, (C) [D]"), "ABCD");
        assert_eq!(all("A cat sits on B"), "B");
        assert_eq!(all("A is right"), "A");
        assert_eq!(all("so the answer is A"), "A");
        assert_eq!(all("**A**: yes"), "A");
    }
}
