//! Option letters in a text.

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
    let glued = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || "'’_\\-".contains(c));
    text.char_indices().filter(move |(at, letter)| {
        let after = &text[at + letter.len_utf8()..];
        let free = !glued(text[..*at].chars().next_back()) && !glued(after.chars().next());
        let article = *letter == 'A' && is_article(after);
        letters.contains(*letter) && free && !article
    })
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
