//! The whole of the plain formula around a number in running text: `1/2`, `2√3`, `x > 3`,
//! `19, 46 and 82`, `90 million`, of which a search for numbers sees a part.

use crate::math::lex::{is_formula_character, is_formula_word, is_wordy};
use crate::math::statement::is_prose_word;
use crate::math::units::{is_unit_symbol, is_unit_word};
use crate::math::{unit_expr, words};

/// Bytes looked at on either side of the number.
const REACH: usize = 240;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    /// A name, a function, a constant, a command.
    Operand,
    /// One or two letters, of which it is not yet known whether they are a name.
    Letters,
    /// What belongs to the operand before it: a unit, a power, a degree sign, `million`.
    Suffix,
    Operator,
    Open,
    Close,
    /// `,` and `;`.
    Separator,
    /// "and" and "or".
    Joint,
    /// Words, the end of a sentence, markup.
    Stop,
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    from: usize,
    to: usize,
    kind: Kind,
    /// Whether white space stands before it.
    spaced: bool,
}

/// A run and what can be said of the number in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// First byte.
    pub(super) from: usize,
    /// One past the last byte.
    pub(super) to: usize,
    /// Whether the number could be read without the rest: words or separators stand beside it.
    pub(super) stands_alone: bool,
    /// Whether the rest is a unit behind the number.
    pub(super) only_unit: bool,
}

/// The run around the number at `from..to`, not before `floor`. Where the number is `announced`
/// by "the answer is", a comma goes on with the list; elsewhere only before "and" and "or".
pub(super) fn around(text: &str, from: usize, to: usize, floor: usize, announced: bool) -> Run {
    let mut lo = from.saturating_sub(REACH).max(floor.min(from));
    while !text.is_char_boundary(lo) {
        lo += 1;
    }
    let mut hi = (to + REACH).min(text.len());
    while !text.is_char_boundary(hi) {
        hi -= 1;
    }
    let mut pieces = pieces(text, lo, hi);
    settle_letters(&mut pieces);
    let alone = Run {
        from,
        to,
        stands_alone: true,
        only_unit: true,
    };
    let Some(at) = pieces.iter().position(|p| p.to > from) else {
        return alone;
    };
    if pieces[at].kind == Kind::Stop {
        return alone;
    }
    let (mut first, mut last) = extent(&pieces, at, announced);
    balance(&pieces, at, &mut first, &mut last);
    trim(text, &pieces, &mut first, &mut last, at);
    let beside = |p: Option<&Piece>| {
        p.is_none_or(|p| matches!(p.kind, Kind::Stop | Kind::Separator) || p.kind == Kind::Suffix)
    };
    Run {
        from: pieces[first].from.min(from),
        to: pieces[last].to.max(to),
        stands_alone: beside(at.checked_sub(1).and_then(|i| pieces.get(i)))
            && beside(pieces.get(at + 1)),
        only_unit: first == at && pieces[at + 1..=last].iter().all(|p| p.kind == Kind::Suffix),
    }
}

/// How far the run reaches from the piece `at`.
fn extent(pieces: &[Piece], at: usize, announced: bool) -> (usize, usize) {
    let mut last = at;
    let mut inside = 0_i32;
    while last + 1 < pieces.len() {
        match pieces[last + 1].kind {
            Kind::Stop => break,
            Kind::Open => inside -= 1,
            Kind::Close => inside += 1,
            Kind::Separator if !announced && inside >= 0 => break,
            _ => {}
        }
        last += 1;
    }
    // A comma between brackets that close after the number is theirs.
    let mut first = at;
    let mut joined = false;
    while first > 0 {
        match pieces[first - 1].kind {
            Kind::Stop => break,
            Kind::Separator if !announced && !joined && inside <= 0 => break,
            Kind::Joint => joined = true,
            Kind::Open => inside -= 1,
            Kind::Close => inside += 1,
            _ => {}
        }
        first -= 1;
    }
    (first, last)
}

/// Leaves brackets out that have no partner in the run, and what stands beyond them.
fn balance(pieces: &[Piece], at: usize, first: &mut usize, last: &mut usize) {
    let mut open = Vec::new();
    let (mut lo, mut hi) = (*first, *last);
    for (i, piece) in pieces.iter().enumerate().take(*last + 1).skip(*first) {
        match piece.kind {
            Kind::Open => open.push(i),
            Kind::Close if open.pop().is_none() => {
                if i < at {
                    lo = lo.max(i + 1);
                } else {
                    hi = hi.min(i.saturating_sub(1));
                }
            }
            _ => {}
        }
    }
    for i in open {
        if i < at {
            lo = lo.max(i + 1);
        } else {
            hi = hi.min(i.saturating_sub(1));
        }
    }
    (*first, *last) = (lo.min(at), hi.max(at));
}

/// Leaves out what a formula neither begins nor ends with; a sign before the number stays.
fn trim(text: &str, pieces: &[Piece], first: &mut usize, last: &mut usize, at: usize) {
    while *first < at {
        let piece = &pieces[*first];
        let sign = matches!(&text[piece.from..piece.to], "-" | "−" | "+" | "±" | "√");
        match piece.kind {
            Kind::Operator if !sign => {}
            Kind::Separator | Kind::Joint | Kind::Suffix | Kind::Close => {}
            _ => break,
        }
        *first += 1;
    }
    while *last > at {
        let piece = &pieces[*last];
        let ends = matches!(&text[piece.from..piece.to], "!" | "%" | "°" | "'" | "′");
        match piece.kind {
            Kind::Operator if !ends => {}
            Kind::Separator | Kind::Joint | Kind::Open => {}
            _ => break,
        }
        *last -= 1;
    }
}

/// Letters are names where an operator, a bracket or a number touches them: in `x = 5`, `2x`
/// and `f(3)`, not in "a 5" and "(b) 5".
fn settle_letters(pieces: &mut [Piece]) {
    for i in 0..pieces.len() {
        if pieces[i].kind != Kind::Letters {
            continue;
        }
        let before = i.checked_sub(1).map(|b| pieces[b]);
        let after = pieces.get(i + 1).copied();
        let labelled = before.is_some_and(|b| b.kind == Kind::Open && b.spaced)
            && after.is_some_and(|a| a.kind == Kind::Close);
        let label = before.is_some_and(|b| b.kind == Kind::Open)
            && after.is_some_and(|a| a.kind == Kind::Close)
            && (labelled || i < 2 || pieces[i - 2].kind == Kind::Stop);
        let touches = |p: Option<Piece>, spaced: bool| {
            p.is_some_and(|p| match p.kind {
                Kind::Operator => true,
                Kind::Number | Kind::Operand | Kind::Open | Kind::Close | Kind::Suffix => !spaced,
                _ => false,
            })
        };
        let name =
            touches(before, pieces[i].spaced) || touches(after, after.is_some_and(|a| a.spaced));
        pieces[i].kind = match name && !label {
            true => Kind::Operand,
            false => Kind::Stop,
        };
    }
}

/// The pieces of `text[lo..hi]`.
fn pieces(text: &str, lo: usize, hi: usize) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::new();
    let mut at = lo;
    let mut spaced = true;
    while at < hi {
        let rest = &text[at..hi];
        let Some(c) = rest.chars().next() else {
            break;
        };
        if c == '\n' {
            push(&mut out, at, at + 1, Kind::Stop, spaced);
            at += 1;
            spaced = true;
            continue;
        }
        if c.is_whitespace() {
            at += c.len_utf8();
            spaced = true;
            continue;
        }
        let (len, kind) = piece(text, at, hi, c, out.last(), spaced);
        push(&mut out, at, at + len, kind, spaced);
        at += len;
        spaced = false;
    }
    out
}

fn push(out: &mut Vec<Piece>, from: usize, to: usize, kind: Kind, spaced: bool) {
    out.push(Piece {
        from,
        to,
        kind,
        spaced,
    });
}

/// The piece that starts at `at` with `c`: its length and kind.
fn piece(
    text: &str,
    at: usize,
    hi: usize,
    c: char,
    last: Option<&Piece>,
    spaced: bool,
) -> (usize, Kind) {
    let rest = &text[at..hi];
    let next = rest[c.len_utf8()..].chars().next();
    let after_operand = last.is_some_and(|p| {
        matches!(
            p.kind,
            Kind::Number | Kind::Operand | Kind::Close | Kind::Suffix
        )
    });
    match c {
        '0'..='9' => (number_len(rest), Kind::Number),
        '.' if next.is_some_and(|n| n.is_ascii_digit()) => {
            (1 + number_len(&rest[1..]), Kind::Number)
        }
        'A'..='Z' | 'a'..='z' => word(rest, after_operand),
        '\\' if rest.starts_with("\\\\")
            && rest[2..].starts_with(|c: char| c.is_ascii_alphabetic()) =>
        {
            let (len, kind) = command(&rest[1..]);
            (len + 1, kind)
        }
        '\\' => command(rest),
        '(' | '[' | '{' => (1, Kind::Open),
        ')' | ']' | '}' => (1, Kind::Close),
        ',' | ';' => (1, Kind::Separator),
        '*' | '_' => emphasis(text, at, hi, spaced),
        '-' => {
            // A hyphen inside a word is no sign.
            let hyphen = !spaced && last.is_some_and(|p| matches!(p.kind, Kind::Stop));
            let glued = hyphen && text[..at].ends_with(char::is_alphanumeric);
            (1, if glued { Kind::Stop } else { Kind::Operator })
        }
        '!' => {
            let goes_on = next.is_some_and(|n| !n.is_whitespace() && !"\"'”’)*_`".contains(n));
            (
                1,
                if goes_on && after_operand {
                    Kind::Operator
                } else {
                    Kind::Stop
                },
            )
        }
        '+' | '/' | '^' | '=' | '<' | '>' | ':' | '|' | '~' => (1, Kind::Operator),
        '%' => (1, Kind::Suffix),
        '\'' if after_operand && !spaced && next.is_none_or(|n| !n.is_alphanumeric()) => {
            // A minute of arc, or a quotation mark that closes.
            let quoted = text[..at].rfind('\'').is_some_and(|open| at - open < 40);
            (1, if quoted { Kind::Stop } else { Kind::Suffix })
        }
        '–' if !spaced || next.is_some_and(|n| n.is_ascii_digit()) => {
            (c.len_utf8(), Kind::Operator)
        }
        '—' | '–' | '“' | '”' | '‘' | '’' => (c.len_utf8(), Kind::Stop),
        '或' | '和' | '与' | '及' => (c.len_utf8(), Kind::Joint),
        c if unit_expr::is_cjk(c) => {
            let len = rest.find(|c| !unit_expr::is_cjk(c)).unwrap_or(rest.len());
            let mut len = len;
            if let Some(joint) = rest[..len]
                .find(['或', '和', '与', '及'])
                .filter(|j| *j > 0)
            {
                len = joint;
            }
            let unit = after_operand && rest[..len].chars().count() <= 4;
            (len, if unit { Kind::Suffix } else { Kind::Stop })
        }
        '°' | '′' | '″' | '²' | '³' => (c.len_utf8(), Kind::Suffix),
        '√' | '±' | '≤' | '≥' | '≠' | '≈' | '×' | '÷' | '·' | '−' | '∪' | '∩' | '∈' | '⋅' => {
            (c.len_utf8(), Kind::Operator)
        }
        c if !c.is_ascii() && is_formula_character(c) => (c.len_utf8(), Kind::Operand),
        c => (c.len_utf8(), Kind::Stop),
    }
}

/// Bytes of digits with points and commas between them.
fn number_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
    let mut at = 0;
    while digit(at) || (at > 0 && matches!(bytes.get(at), Some(b'.' | b',')) && digit(at + 1)) {
        at += 1;
    }
    at
}

fn word(rest: &str, after_operand: bool) -> (usize, Kind) {
    let len = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
    let word = &rest[..len];
    let kind = if matches!(word, "and" | "or") {
        Kind::Joint
    } else if after_operand
        && (is_unit_word(word)
            || words::magnitude(word).is_some()
            || matches!(word, "percent" | "pct" | "percentage")
            || (len == 1 && is_unit_symbol(word) && !"aACFKVL".contains(word)))
        && word != "in"
    {
        Kind::Suffix
    } else if is_prose_word(word) {
        Kind::Stop
    } else if is_formula_word(word) {
        Kind::Operand
    } else {
        Kind::Letters
    };
    (len, kind)
}

/// A command: delimiters and words stop the run.
fn command(rest: &str) -> (usize, Kind) {
    let len = rest[1..]
        .bytes()
        .take_while(u8::is_ascii_alphabetic)
        .count();
    if len == 0 {
        let Some(c) = rest[1..].chars().next() else {
            return (1, Kind::Stop);
        };
        let kind = match c {
            '(' | ')' | '[' | ']' => Kind::Stop,
            '{' => Kind::Open,
            '}' => Kind::Close,
            '%' | ',' | ';' | '!' | ':' | ' ' => Kind::Suffix,
            _ => Kind::Operator,
        };
        return (1 + c.len_utf8(), kind);
    }
    let name = &rest[1..=len];
    if is_wordy(name) {
        let Some((words, _)) = rest[1 + len..]
            .trim_start()
            .strip_prefix('{')
            .and_then(|r| r.split_once('}'))
        else {
            return (1 + len, Kind::Stop);
        };
        let end = words.as_ptr() as usize - rest.as_ptr() as usize + words.len() + 1;
        let kind = match words.trim() {
            "and" | "or" | "And" | "Or" => Kind::Joint,
            _ => Kind::Suffix,
        };
        return (end, kind);
    }
    let kind = match name {
        "boxed" | "fbox" | "begin" | "end" | "item" => Kind::Stop,
        "cdot" | "times" | "div" | "pm" | "mp" | "le" | "leq" | "ge" | "geq" | "ne" | "neq"
        | "lt" | "gt" | "approx" | "in" | "cup" | "cap" | "to" | "equiv" => Kind::Operator,
        _ => Kind::Operand,
    };
    (1 + len, kind)
}

/// `*` and `_`: an operator between operands, else markup.
fn emphasis(text: &str, at: usize, hi: usize, spaced: bool) -> (usize, Kind) {
    let mark = text.as_bytes()[at];
    let len = text.as_bytes()[at..hi]
        .iter()
        .take_while(|b| **b == mark)
        .count();
    let after = &text[at + len..hi];
    let left = text[..at].trim_end().chars().next_back();
    let right = after.trim_start().chars().next();
    let operand =
        |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || "()[]{}π√-".contains(c));
    let same_space = spaced == after.starts_with(char::is_whitespace);
    let operator = len <= 2
        && operand(left)
        && operand(right)
        && same_space
        && !(mark == b'_' && (spaced || len == 2));
    (len, if operator { Kind::Operator } else { Kind::Stop })
}

#[cfg(test)]
mod tests {
    use super::around;

    /// The run around the last number of `text`.
    fn run(text: &str, announced: bool) -> &str {
        let end = text.rfind(|c: char| c.is_ascii_digit()).unwrap() + 1;
        let start = text[..end]
            .rfind(|c: char| !c.is_ascii_digit())
            .map_or(0, |at| at + text[at..].chars().next().unwrap().len_utf8());
        let run = around(text, start, end, 0, announced);
        &text[run.from..run.to]
    }

    #[test]
    fn runs_end_where_words_begin() {
        for (text, expected) in [
            ("it is 1/2!", "1/2"),
            ("so 2√3 cm is it", "2√3 cm"),
            ("we get x > 3.", "x > 3"),
            ("The numbers are 19, 46 and 82.", "19, 46 and 82"),
            ("In 2019, 45 people", "45 people"),
            ("x = 2021 or x = -2021", "x = 2021 or x = -2021"),
            ("Result: - 8", "- 8"),
            ("**- 8**", "- 8"),
            ("option (b) 4", "4"),
            ("there is a 5", "5"),
            ("COVID-19", "COVID-19"),
            ("the point (2, 3)", "(2, 3)"),
            ("f(3)", "f(3)"),
            ("(about 5)", "5"),
            ("it is 90 million", "90 million"),
            ("2 + 5 = 7", "2 + 5 = 7"),
            ("*73* apples", "73"),
            ("so 2*3*x", "2*3*x"),
            ("1π", "1π"),
            ("1x.", "1x"),
            ("12个", "12个"),
            ("'73'.", "73"),
        ] {
            assert_eq!(run(text, false), expected, "{text}");
        }
        assert_eq!(run("it is 2, 3", true), "2, 3");
    }
}
