//! Units that are formulas themselves: `\frac{\text{km}}{\text{h}}`, `\text{N}\cdot\text{m}`,
//! `\mathrm{~kJ} / \mathrm{mol}`, `\mu\text{m}`, `平方厘米`.

use super::braces;
use super::unit_words::{is_constant, is_unit_symbol, is_unit_word, trim_spacing};
use super::words;

/// Longer texts have no unit of this kind at their end.
const MAX_BYTES: usize = 400;

/// Nesting of braces.
const MAX_DEPTH: u32 = 4;

/// What begins a unit that is more than a word.
const BEGINNINGS: [&str; 16] = [
    "\\text",
    "\\mathrm",
    "\\mbox",
    "\\rm",
    "{\\rm",
    "\\operatorname",
    "\\frac",
    "\\dfrac",
    "\\mu",
    "\\Omega",
    "\\circ",
    "^\\circ",
    "^{\\circ}",
    "°",
    "\\degree",
    "¢",
];

/// `text` without the unit at its end, if a constant stands before one.
pub(super) fn without(text: &str) -> Option<&str> {
    let plausible = text.len() <= MAX_BYTES
        && (!text.is_ascii() || text.contains('\\'))
        && text.bytes().any(|b| b.is_ascii_digit() || b >= 0x80);
    if !plausible {
        return None;
    }
    text.char_indices().skip(1).find_map(|(at, c)| {
        let begins = is_cjk(c)
            || matches!(c, '\u{3a9}' | '\u{2126}' | 'µ' | 'μ')
            || (matches!(c, '\\' | '{' | '^' | '°' | '¢')
                && BEGINNINGS.iter().any(|b| text[at..].starts_with(b)));
        if !begins {
            return None;
        }
        let value = trim_spacing(&text[..at]);
        let whole = Scan::new(&text[at..]).all();
        (whole && ends_as_value(value) && is_constant(value)).then_some(value)
    })
}

/// Whether `value` may stand before a unit: it ends with an operand.
fn ends_as_value(value: &str) -> bool {
    value.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '}' | ')' | 'π' | '°' | '|'))
}

pub(super) fn is_cjk(c: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&c) || c == '℃'
}

/// `text` without a scale of temperature in single letters, which may be a factor too:
/// `20^\circ C`.
pub(super) fn without_scale(text: &str) -> Option<&str> {
    let head = text.trim_end().strip_suffix(['C', 'F'])?;
    let head = trim_spacing(head);
    let degree = ["^{\\circ}", "^\\circ", "^ \\circ"];
    let value = degree.iter().find_map(|d| head.strip_suffix(d))?;
    is_constant(value).then_some(head)
}

struct Scan<'a> {
    rest: &'a str,
    depth: u32,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            depth: 0,
        }
    }

    /// Whether all of the text is one unit.
    fn all(mut self) -> bool {
        self.product() && self.rest.is_empty()
    }

    fn eat(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn spaces(&mut self) {
        loop {
            let before = self.rest.len();
            self.rest = self.rest.trim_start_matches([' ', '~', '\u{a0}']);
            for spacing in ["\\,", "\\;", "\\:", "\\ ", "\\!", "\\quad", "{}"] {
                self.eat(spacing);
            }
            if self.rest.len() == before {
                return;
            }
        }
    }

    /// Units side by side, or with `/` and `\cdot` between them.
    fn product(&mut self) -> bool {
        if !self.factor() {
            return false;
        }
        loop {
            self.spaces();
            let joined = ["/", "\\cdot", "\\times", "\\per", "·", "⋅", "."]
                .iter()
                .any(|j| self.eat(j));
            self.spaces();
            let ends = self.rest.is_empty() || self.rest.starts_with('}');
            if ends {
                return !joined || self.rest.is_empty();
            }
            if !self.factor() {
                return false;
            }
        }
    }

    fn factor(&mut self) -> bool {
        self.spaces();
        self.atom() && {
            self.power();
            true
        }
    }

    fn power(&mut self) {
        self.spaces();
        if self.rest.starts_with(['²', '³']) {
            let mut chars = self.rest.chars();
            chars.next();
            self.rest = chars.as_str();
            return;
        }
        let Some(after) = self.rest.strip_prefix('^') else {
            return;
        };
        let (body, tail) = match after.strip_prefix('{') {
            Some(inner) => match inner.split_once('}') {
                Some(parts) => parts,
                None => return,
            },
            None => after.split_at(after.chars().next().map_or(0, char::len_utf8)),
        };
        let digits = body.trim().trim_start_matches('-');
        if !digits.is_empty() && digits.len() < 3 && digits.bytes().all(|b| b.is_ascii_digit()) {
            self.rest = tail;
        }
    }

    /// The content of the braces that open here.
    fn braced(&mut self) -> Option<&'a str> {
        let (inner, after) = braces::group(self.rest)?;
        self.rest = after;
        Some(inner)
    }

    fn inside(&self, text: &'a str) -> bool {
        self.depth < MAX_DEPTH
            && Scan {
                rest: text.trim(),
                depth: self.depth + 1,
            }
            .all()
    }

    fn atom(&mut self) -> bool {
        if self.eat("\\dfrac") || self.eat("\\frac") {
            let (Some(over), Some(under)) = (self.braced(), self.braced()) else {
                return false;
            };
            return self.inside(over) && self.inside(under);
        }
        for command in [
            "\\textrm",
            "\\textnormal",
            "\\textbf",
            "\\textit",
            "\\text",
            "\\mathrm",
            "\\mbox",
            "\\operatorname",
        ] {
            if self.eat(command) {
                return self.braced().is_some_and(is_phrase);
            }
        }
        if self.eat("\\rm") {
            let braced = self.rest.trim_start().starts_with('{');
            return match braced {
                true => self.braced().is_some_and(is_phrase),
                false => self.word(),
            };
        }
        if self.eat("\\mu") || self.eat("µ") || self.eat("μ") {
            self.spaces();
            return self.atom();
        }
        if ["\\Omega", "\u{3a9}", "\u{2126}", "¢", "℃"]
            .iter()
            .any(|u| self.eat(u))
        {
            return true;
        }
        for degree in [
            "^{\\circ}",
            "^\\circ",
            "^ \\circ",
            "\\circ",
            "°",
            "\\degree",
        ] {
            if self.eat(degree) {
                // A scale: `°C`. Degrees of arc are no unit here, for a sine asks for them.
                self.spaces();
                let named = self.rest.starts_with("\\text") || self.rest.starts_with("\\mathrm");
                return match self.rest.strip_prefix(['C', 'F', 'K']) {
                    Some(rest) if degree == "°" => {
                        self.rest = rest;
                        true
                    }
                    _ => named && self.atom(),
                };
            }
        }
        if self.rest.starts_with('{') {
            return self.braced().is_some_and(|inner| self.inside(inner));
        }
        if self.rest.starts_with(is_cjk) {
            let len = self
                .rest
                .find(|c: char| !is_cjk(c))
                .unwrap_or(self.rest.len());
            let (run, rest) = self.rest.split_at(len);
            self.rest = rest;
            return !words::changes_value(run) && run.chars().count() <= 6;
        }
        self.word()
    }

    /// A bare unit word or symbol.
    fn word(&mut self) -> bool {
        self.spaces();
        let len = self
            .rest
            .bytes()
            .take_while(u8::is_ascii_alphabetic)
            .count();
        let word = &self.rest[..len];
        let known = is_unit_word(word) || is_unit_symbol(word);
        if known {
            self.rest = &self.rest[len..];
        }
        known
    }
}

/// What `\text{…}` may hold as a unit: words that leave the number as it is.
fn is_phrase(words: &str) -> bool {
    let words = words.trim_matches(|c: char| c.is_whitespace() || c == '~');
    let letters = words
        .chars()
        .all(|c| c.is_alphabetic() || " ~./-·'°²³^23".contains(c));
    let separates = matches!(words, "and" | "or" | "to" | "i" | "e" | "percent" | "pct");
    !words.is_empty() && letters && !separates && !words::changes_value(words)
}
