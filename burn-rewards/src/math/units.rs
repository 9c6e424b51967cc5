//! Units at the end of an answer. They are dropped and never compared, as the Python library does;
//! but a letter that is no unit in anybody's book (`27ab`, `5t`, `2c`) is a variable and stays.

use super::{unit_expr, words};

/// Unit words dropped after a number, in the singular; an `s` or `es` may follow.
#[rustfmt::skip]
const WORDS: [&str; 130] = [
    "acre", "apple", "area", "atm", "ball", "book", "box", "boy",
    "calorie", "cent", "cc", "centimeter", "centimetre", "child", "children", "cm", "coin",
    "cube", "cubic", "cup", "day", "deg", "degree", "digit", "dm", "dollar",
    "edge", "euro", "feet", "foot", "ft", "gal", "gallon", "girl", "gm",
    "gram", "ha", "hectare", "hour", "hr", "hrs", "hz", "inch", "in",
    "integer", "kg", "kilogram", "kilometer", "kilometre", "km", "kmh", "kmph", "kph",
    "kwh", "lb", "lbs", "liter", "litre", "man", "marble", "mark", "men",
    "meter", "metre", "mg", "mi", "mile", "milliliter", "min", "minute",
    "ml", "mm", "mol", "month", "mph", "mtr", "mt", "nm", "number",
    "ohm", "ounce", "oz", "page", "pair", "pc", "people", "person", "piece",
    "pint", "point", "pound", "psi", "quart", "question", "rad", "radian", "rd",
    "round", "rs", "rupee", "sec", "second", "side", "soldier", "sq", "square",
    "st", "student", "term", "th", "ticket", "tile", "time", "ton", "tonne",
    "unit", "vertex", "vertices", "volt", "watt", "way", "week", "woman", "women",
    "word", "yard", "yd", "year", "yr", "children ticket",
];

/// Two-letter units dropped where they are glued to a number; others are products: `7mn`, `3st`.
const GLUED_PAIRS: [&str; 14] = [
    "cm", "mm", "km", "kg", "ft", "lb", "hr", "yr", "oz", "yd", "ml", "mg", "dm", "th",
];

/// One-letter units dropped where they are glued to a number: `22m`.
const GLUED: [&str; 4] = ["m", "g", "s", "h"];

/// One-letter units dropped after a space or a command for a space: `84.14 J`.
const SPACED: [&str; 14] = [
    "m", "g", "s", "h", "l", "L", "J", "N", "W", "V", "A", "K", "C", "F",
];

/// Words between the parts of a compound unit: `meters per second`, `km/h`.
const JOINERS: [&str; 6] = ["per", "of", "/", "a", "-", "\\cdot"];

/// `text` without the unit at its end.
///
/// The unit may be `\text{…}` of any content, with a power; or words of the list, one letter of
/// the short list, after a constant. What is left is never empty.
pub(crate) fn without_unit(text: &str) -> &str {
    let mut rest = text.trim_end();
    for _ in 0..4 {
        // `\\mu\\text{m}` is one unit, not a μ with a unit behind it.
        let shorter = rest
            .contains("\\mu")
            .then(|| unit_expr::without(rest))
            .flatten()
            .or_else(|| without_text(rest))
            .or_else(|| without_word(rest))
            .or_else(|| unit_expr::without(rest));
        let Some(shorter) = shorter else {
            break;
        };
        if shorter
            .trim_matches(|c: char| c.is_whitespace() || c == '$')
            .is_empty()
        {
            break;
        }
        rest = shorter;
    }
    rest
}

/// Removes a power at the end: `^2`, `^{2}`, `²`.
fn without_power(text: &str) -> &str {
    let text = text.trim_end();
    if let Some(rest) = text.strip_suffix(['²', '³']) {
        return rest.trim_end();
    }
    for (open, close) in [("^{", "}"), ("^", "")] {
        if let Some(body) = text.strip_suffix(close)
            && let Some(at) = body.rfind(open)
        {
            let power = body[at + open.len()..].trim();
            let power = power.strip_prefix('-').unwrap_or(power);
            if power.len() == 1 && power.bytes().all(|b| b.is_ascii_digit()) {
                return body[..at].trim_end();
            }
        }
    }
    text
}

/// Removes a `\text{…}` or `\mathrm{…}` at the end, if it stands after something.
fn without_text(text: &str) -> Option<&str> {
    let body = without_power(text);
    let inner = body.strip_suffix('}')?;
    let open = inner.rfind('{')?;
    let words = inner[open + 1..].trim_matches(|c: char| c.is_whitespace() || c == '~');
    let head = inner[..open].trim_end();
    let command = [
        "\\text",
        "\\mbox",
        "\\textbf",
        "\\textit",
        "\\textrm",
        "\\textnormal",
    ]
    .iter()
    .find_map(|c| head.strip_suffix(c));
    let roman = ["\\mathrm", "\\rm", "\\mathit", "\\operatorname"]
        .iter()
        .find_map(|c| head.strip_suffix(c));
    let rest = match (command, roman) {
        (Some(rest), _) => rest,
        // `-4-\mathrm{i}` and `\mathrm{e}` are values: upright letters are units only if they
        // read as one.
        (None, Some(rest)) if is_unit_phrase(words) || is_spaced_letter(words) => rest,
        _ => return None,
    };
    let means_something = matches!(
        words,
        "percent" | "pct" | "percentage" | "and" | "or" | "i" | "e"
    );
    if means_something || words::changes_value(words) {
        return None;
    }
    let rest = trim_spacing(rest);
    // After an operator the text is an operand: `5 + \text{x}`, `x = \text{even}`.
    let operand = rest.ends_with([
        '+', '-', '=', '*', '/', '^', '_', '(', '[', '{', ',', ';', '<', '>', ':', '|', '&',
    ]) || ends_with_operator_command(rest);
    // A list of words, or words on both sides, is a value.
    let of_words = rest.ends_with('}') && ends_with_text(rest);
    (!operand && !of_words).then_some(rest)
}

fn ends_with_text(rest: &str) -> bool {
    let Some(open) = rest.rfind('{') else {
        return false;
    };
    let head = rest[..open].trim_end();
    head.ends_with("\\text")
        || head.ends_with("\\mbox")
        || head.ends_with("\\textbf")
        || head.ends_with("\\mathrm")
}

fn ends_with_operator_command(rest: &str) -> bool {
    let Some(at) = rest.rfind('\\') else {
        return false;
    };
    let name = &rest[at + 1..];
    matches!(
        name,
        "cdot"
            | "times"
            | "div"
            | "pm"
            | "mp"
            | "le"
            | "leq"
            | "ge"
            | "geq"
            | "ne"
            | "neq"
            | "in"
            | "approx"
            | "equiv"
            | "to"
            | "cup"
            | "cap"
            | "lor"
            | "land"
            | "Rightarrow"
            | "implies"
            | "angle"
            | "triangle"
    )
}

/// Removes spaces and commands for spaces from the end.
pub(super) fn trim_spacing(text: &str) -> &str {
    let mut rest = text;
    loop {
        let before = rest.len();
        rest = rest.trim_end().trim_end_matches(['~', '\u{a0}']);
        for spacing in ["\\,", "\\;", "\\:", "\\ ", "\\!", "\\quad", "\\qquad", "\\"] {
            if let Some(shorter) = rest.strip_suffix(spacing)
                && !shorter.ends_with('\\')
            {
                rest = shorter;
            }
        }
        if rest.len() == before {
            return rest;
        }
    }
}

/// Removes bare unit words, and one letter where it reads as a unit, after a constant.
fn without_word(text: &str) -> Option<&str> {
    let body = without_power(text);
    let mut rest = body.trim_end_matches('.');
    if rest.len() + 1 < body.len() {
        return None;
    }
    let mut words = 0;
    let mut last_len = usize::MAX;
    loop {
        let word_at = rest
            .rfind(|c: char| !c.is_ascii_alphabetic())
            .map_or(0, |at| {
                at + rest[at..].chars().next().map_or(1, char::len_utf8)
            });
        let word = &rest[word_at..];
        let before = &rest[..word_at];
        if word.is_empty() {
            let joined = before.strip_suffix(['/', '-']).map(str::trim_end);
            match joined {
                Some(shorter) if words > 0 && shorter.ends_with(|c: char| c.is_alphabetic()) => {
                    rest = shorter;
                    continue;
                }
                _ => break,
            }
        }
        if before.ends_with('\\') {
            break;
        }
        let spaced = before.len() != trim_spacing(before).len();
        let glued_pair = !spaced && word.len() == 2 && words == 0;
        let known = (is_unit_word(word) && (!glued_pair || GLUED_PAIRS.contains(&word)))
            || (words > 0 && JOINERS.contains(&word))
            || (spaced && SPACED.contains(&word))
            || (words == 0 && !spaced && GLUED.contains(&word))
            || (words > 0 && spaced && GLUED.contains(&word));
        if !known {
            break;
        }
        let shorter = trim_spacing(before);
        if shorter.is_empty() {
            return None;
        }
        words += 1;
        last_len = word.len();
        rest = shorter;
    }
    if words == 0 || !is_constant(rest) || (last_len == 1 && !is_number(rest)) {
        return None;
    }
    Some(rest)
}

fn is_spaced_letter(word: &str) -> bool {
    SPACED.contains(&word)
}

/// Symbols of units that stand in a product or quotient of units: `kJ/mol`, `N m`.
pub(super) fn is_unit_symbol(word: &str) -> bool {
    const SYMBOLS: [&str; 24] = [
        "kJ", "kN", "kW", "kV", "kHz", "MHz", "GHz", "Hz", "Pa", "kPa", "MPa", "mA", "mV", "eV",
        "MeV", "keV", "rpm", "mol", "cal", "kcal", "dB", "T", "Wb", "H",
    ];
    SYMBOLS.contains(&word) || is_spaced_letter(word)
}

/// Words of which each is a unit or joins units.
fn is_unit_phrase(words: &str) -> bool {
    let mut any = false;
    for word in words.split(|c: char| c.is_whitespace() || matches!(c, '/' | '.' | '-' | '·')) {
        let word = word.trim_matches(|c: char| !c.is_alphabetic());
        if word.is_empty() || JOINERS.contains(&word) {
            continue;
        }
        if !is_unit_word(word) && !GLUED.contains(&word) {
            return false;
        }
        any = true;
    }
    any
}

pub(super) fn is_unit_word(word: &str) -> bool {
    if word.len() < 2 || word.len() > 20 {
        return false;
    }
    let lower = word.to_ascii_lowercase();
    let found = |w: &str| WORDS.contains(&w);
    found(&lower)
        || lower.strip_suffix('s').is_some_and(found)
        || lower.strip_suffix("es").is_some_and(found)
}

/// Whether `text` has no letters but those of commands: nothing a glued letter could multiply.
pub(super) fn is_constant(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut any_digit = false;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => {
                at += 1;
                while at < bytes.len() && bytes[at].is_ascii_alphabetic() {
                    at += 1;
                }
                continue;
            }
            b'=' => any_digit = false,
            // What stands before the equals sign may have letters.
            b if b.is_ascii_alphabetic() => {
                let tail = &text[at..];
                match tail.find('=') {
                    Some(sign) => {
                        at += sign;
                        continue;
                    }
                    None => return false,
                }
            }
            b if b.is_ascii_digit() => any_digit = true,
            _ => {}
        }
        at += 1;
    }
    any_digit || text.contains("\\pi") || text.contains('π')
}

/// Whether `text` ends in a plain number or fraction that is all of a value.
fn is_number(text: &str) -> bool {
    let value = text.rsplit('=').next().unwrap_or(text).trim();
    let value = value.strip_prefix(['-', '+', '−']).unwrap_or(value).trim();
    let value = value.trim_start_matches(['$', '\\']);
    !value.is_empty()
        && (value.bytes().all(|b| {
            b.is_ascii_digit()
                || matches!(b, b'.' | b',' | b' ' | b'{' | b'}' | b'!' | b'\\' | b'/')
        }) || (value.starts_with("frac")
            || value.starts_with("dfrac")
            || value.starts_with("tfrac"))
            && !value.contains(['+', '-']))
}

#[cfg(test)]
mod tests {
    use super::without_unit;

    #[test]
    fn units_go_and_variables_stay() {
        for (text, rest) in [
            (r"5\text{ cm}", "5"),
            (r"5\text{ cm}^2", "5"),
            (r"5\text{ cm}^{2}", "5"),
            (r"\frac{270}{7}\text{ degrees}", r"\frac{270}{7}"),
            (r"19.59\,\mathrm{seconds}", "19.59"),
            ("19.59 seconds", "19.59"),
            ("162 mph", "162"),
            ("84.14 J", "84.14"),
            ("68.64 meters per second", "68.64"),
            ("163 cm^2", "163"),
            ("22m", "22"),
            (r"\frac{7}{3} square units", r"\frac{7}{3}"),
            ("x = 5 cm", "x = 5"),
            (r"12\pi cm", r"12\pi"),
            ("11:00 \\text{ p.m.}", "11:00"),
            // Variables.
            ("27ab", "27ab"),
            ("5t", "5t"),
            ("2c", "2c"),
            ("x^2+3t", "x^2+3t"),
            ("3+5m", "3+5m"),
            ("3x", "3x"),
            ("2mn", "2mn"),
            ("7nm", "7nm"),
            ("7 nm", "7"),
            ("3st", "3st"),
            ("5cm", "5"),
            (r"-4-\mathrm{i}", r"-4-\mathrm{i}"),
            (r"\sin^2 t", r"\sin^2 t"),
            // Values made of words.
            (r"\text{even}", r"\text{even}"),
            (r"x = \text{even}", r"x = \text{even}"),
            (
                r"\text{A} \text{ or } \text{B}",
                r"\text{A} \text{ or } \text{B}",
            ),
            ("seconds", "seconds"),
        ] {
            assert_eq!(without_unit(text), rest, "{text}");
        }
    }
}
