//! Names of units, and what may stand before one.

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

/// Symbols of units that stand in a product or quotient of units: `kJ/mol`, `N m`.
pub(super) fn is_unit_symbol(word: &str) -> bool {
    const SYMBOLS: [&str; 24] = [
        "kJ", "kN", "kW", "kV", "kHz", "MHz", "GHz", "Hz", "Pa", "kPa", "MPa", "mA", "mV", "eV",
        "MeV", "keV", "rpm", "mol", "cal", "kcal", "dB", "T", "Wb", "H",
    ];
    SYMBOLS.contains(&word) || is_spaced_letter(word)
}

/// One-letter units dropped after a space or a command for a space: `84.14 J`.
const SPACED: [&str; 14] = [
    "m", "g", "s", "h", "l", "L", "J", "N", "W", "V", "A", "K", "C", "F",
];

/// Whether `word` is a unit of one letter.
pub(super) fn is_spaced_letter(word: &str) -> bool {
    SPACED.contains(&word)
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
