//! The patterns of the graders' originals, as scans that are linear in the text.
//!
//! The regular expression of the original stands above each; where it is one of a list of words,
//! `…` stands for them.

use std::collections::HashSet;

/// A character of `\w`.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the digits that the text begins with.
fn digits(text: &str) -> usize {
    let end = text.find(|c: char| !c.is_ascii_digit());
    end.unwrap_or(text.len())
}

/// `-?\d*\.?\d+`, the last of the text.
pub(super) fn last_number(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
    let mut found = None;
    let mut at = 0;
    while at < bytes.len() {
        let start = at + usize::from(bytes[at] == b'-');
        let whole = start + digits(text.get(start..)?);
        let end = match bytes.get(whole) == Some(&b'.') && digit(whole + 1) {
            true => whole + 1 + digits(&text[whole + 1..]),
            false => whole,
        };
        match end > start {
            true => {
                found = Some(&text[at..end]);
                at = end;
            }
            false => {
                at += text[at..].chars().next().map_or(1, char::len_utf8);
            }
        }
    }
    found
}

/// `(\d+)\.0*([^\d]|$)` to `\1\2`: zeros after the point of a whole number.
pub(super) fn without_zero_decimals(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(point) = rest.find('.') {
        let (before, after) = (&rest[..point], &rest[point + 1..]);
        let zeros = after.find(|c: char| c != '0').unwrap_or(after.len());
        let ends = !after[zeros..].starts_with(|c: char| c.is_ascii_digit());
        out.push_str(before);
        if before.ends_with(|c: char| c.is_ascii_digit()) && ends {
            rest = &after[zeros..];
            // The character behind belongs to the match: a point there begins none.
            if let Some(next) = rest.chars().next() {
                out.push(next);
                rest = &rest[next.len_utf8()..];
            }
        } else {
            out.push('.');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// `\b(A|B|C|D|E)\b`, the last of the text.
pub(super) fn last_choice(text: &str) -> Option<char> {
    let mut words = text.rsplit(|c: char| !is_word(c));
    words.find_map(|word| match word.as_bytes() {
        [letter @ b'A'..=b'E'] => Some(char::from(*letter)),
        _ => None,
    })
}

/// `\\sqrt(\w+)` to `\sqrt{\1}`.
pub(super) fn braced_roots(text: &str) -> String {
    const ROOT: &str = "\\sqrt";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(ROOT) {
        let (before, after) = rest.split_at(at + ROOT.len());
        out.push_str(before);
        let word = after.find(|c| !is_word(c)).unwrap_or(after.len());
        if word > 0 {
            out.push('{');
            out.push_str(&after[..word]);
            out.push('}');
        }
        rest = &after[word..];
    }
    out.push_str(rest);
    out
}

/// `(^|\W)(…)s?($|\W)` to `\1\2`, the neighbours: words and phrases that stand alone. Phrases come
/// before the words they begin with.
pub(super) fn without_words(text: &str, phrases: &[&str], words: &HashSet<&str>) -> String {
    let is_listed = |token: &str| words.contains(token);
    let ends = |rest: &str| !rest.starts_with(is_word);
    // The length of what is dropped from the beginning of `rest`.
    let dropped = |rest: &str| -> Option<usize> {
        for phrase in phrases.iter().filter(|p| rest.starts_with(**p)) {
            let after = &rest[phrase.len()..];
            if after.starts_with('s') && ends(&after[1..]) {
                return Some(phrase.len() + 1);
            }
            if ends(after) {
                return Some(phrase.len());
            }
        }
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let token = &rest[..end];
        let singular = token.strip_suffix('s');
        (is_listed(token) || singular.is_some_and(is_listed)).then_some(end)
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut can_begin = true;
    while let Some(next) = rest.chars().next() {
        if can_begin && let Some(length) = dropped(rest) {
            rest = &rest[length..];
            // The neighbour behind belongs to the match and is none before the next one.
            can_begin = false;
            if let Some(neighbour) = rest.chars().next() {
                out.push(neighbour);
                rest = &rest[neighbour.len_utf8()..];
            }
            continue;
        }
        can_begin = !is_word(next);
        out.push(next);
        rest = &rest[next.len_utf8()..];
    }
    out
}

/// `(?:…)(?:es)?s? *(?:\^[0-9]+)?` to nothing: units, with plural and power.
pub(super) fn without_units(text: &str, units: &[&str]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let Some(after) = units.iter().find_map(|unit| rest.strip_prefix(unit)) else {
            out.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        let after = after.strip_prefix("es").unwrap_or(after);
        let after = after.strip_prefix('s').unwrap_or(after);
        rest = after.trim_start_matches(' ');
        if let Some(power) = rest.strip_prefix('^') {
            rest = match digits(power) {
                0 => rest,
                length => &power[length..],
            };
        }
    }
    out
}

/// `^-?[0-9]+.?/0*[1-9][0-9]*.?$`: a quotient of two integers.
pub(super) fn is_fraction(text: &str) -> bool {
    // What is left of an integer: nothing, or one character.
    let is_rest = |rest: &str| rest.chars().count() <= 1 && rest != "\n";
    let Some((top, bottom)) = text.split_once('/') else {
        return false;
    };
    let top = top.strip_prefix('-').unwrap_or(top);
    let (t, b) = (digits(top), digits(bottom));
    let is_zero = bottom[..b].bytes().all(|c| c == b'0');
    t > 0 && is_rest(&top[t..]) && !is_zero && is_rest(&bottom[b..])
}

/// `\^[0-9]+\^|\^[0-9][0-9]+|\^\{|\^\(`: a power of a power, or one that is no single digit.
pub(super) fn has_large_power(text: &str) -> bool {
    text.match_indices('^').any(|(at, _)| {
        let exponent = &text[at + 1..];
        match digits(exponent) {
            0 => exponent.starts_with(['{', '(']),
            1 => exponent[1..].starts_with('^'),
            _ => true,
        }
    })
}

/// `(?i)Answer\s*:\s*([^\n]+)`, the group of the last match.
pub(super) fn last_answer_line(text: &str) -> Option<&str> {
    const WORD: &str = "answer";
    let lower = text.to_ascii_lowercase();
    let mut found = None;
    let mut at = 0;
    while let Some(next) = lower[at..].find(WORD) {
        at += next + WORD.len();
        let Some(line) = text[at..].trim_start().strip_prefix(':') else {
            continue;
        };
        // Of white space alone, the last character that is no line break is left for the group.
        let blank = line.trim_end_matches('\n').char_indices().next_back();
        let tail = match (line.trim_start(), blank) {
            ("", None) => continue,
            ("", Some((i, _))) => &line[i..],
            (content, _) => content,
        };
        let content = tail.split('\n').next().unwrap_or(tail);
        at = text.len() - tail.len() + content.len();
        found = Some(content);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    // Expected values from Python's `re` with the pattern above each function.
    #[test]
    fn numbers_and_choices() {
        assert_eq!(last_number("from 3 to -4.50."), Some("-4.50"));
        assert_eq!(last_number("1.2.3"), Some(".3"));
        assert_eq!(last_number("5-"), Some("5"));
        assert_eq!(last_number("--.7é"), Some("-.7"));
        assert_eq!(last_number("- . é"), None);
        assert_eq!(last_choice("(A) OR B."), Some('B'));
        assert_eq!(last_choice("CAB A1 _A éA"), None);
        assert_eq!(last_choice("D"), Some('D'));
    }

    #[test]
    fn zeros_and_roots() {
        assert_eq!(without_zero_decimals("3.00 or 4.0"), "3 or 4");
        assert_eq!(without_zero_decimals("3.05, 2."), "3.05, 2");
        assert_eq!(without_zero_decimals("1.0.0x .0 1..2"), "1.0x .0 1.2");
        assert_eq!(
            braced_roots("\\sqrt2+\\sqrt{3}\\sqrt"),
            "\\sqrt{2}+\\sqrt{3}\\sqrt"
        );
        assert_eq!(braced_roots("\\sqrtab\\sqrt 5"), "\\sqrt{ab}\\sqrt 5");
    }

    #[test]
    fn words_that_stand_alone() {
        let words = HashSet::from(["m", "cm", "sq", "s", "rs", "day"]);
        let drop = |text: &str| without_words(text, &["sq m", "cm 2"], &words);
        assert_eq!(drop("5 m"), "5 ");
        assert_eq!(drop("5 sq m, 3 cm 2"), "5 , 3 ");
        assert_eq!(drop("7 days"), "7 ");
        assert_eq!(drop("7 dayss m2 5m"), "7 dayss m2 5m");
        assert_eq!(drop("m m m"), " m ");
        assert_eq!(drop("rs(ss)"), "(ss)");
        assert_eq!(drop("é day."), "é .");
    }

    #[test]
    fn units_fractions_and_powers() {
        let drop = |text: &str| without_units(text, &["cm", "inch", "foot"]);
        assert_eq!(drop("3cm^2 x"), "3 x");
        assert_eq!(drop("12 inches of foot"), "12 of ");
        assert_eq!(drop("cms^ 2"), "^ 2");
        for good in ["1/2", "-12/07", "1%/2)", "3/10"] {
            assert!(is_fraction(good), "{good}");
        }
        for bad in ["1/0", "/2", "a/2", "1/2/3", "1", "1/2ab", ""] {
            assert!(!is_fraction(bad), "{bad}");
        }
        for large in ["2^3^4", "2^10", "2^{3}", "x^(2)"] {
            assert!(has_large_power(large), "{large}");
        }
        for small in ["2^3", "x^2+y^2", "2^", "12"] {
            assert!(!has_large_power(small), "{small}");
        }
    }

    #[test]
    fn the_last_answer() {
        assert_eq!(last_answer_line("Answer: 3\nanswer :\n 4 \nso"), Some("4 "));
        assert_eq!(last_answer_line("ANSWER: Answer: 5"), Some("Answer: 5"));
        assert_eq!(last_answer_line("Answer: 5\nAnswer is 6"), Some("5"));
        assert_eq!(last_answer_line("Answer:\n \n"), Some(" "));
        assert_eq!(last_answer_line("Answer:\n"), None);
        assert_eq!(last_answer_line("é answer:é"), Some("é"));
    }
}
