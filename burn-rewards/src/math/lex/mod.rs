//! Text to tokens. Linear: every byte is looked at a bounded number of times.
//!
//! LaTeX style commands, sizes, spacing and currency signs vanish here; units and boxes are taken
//! care of before ([`crate::math::normalize`]).

mod commands;
mod fold;
mod number;
mod text;
mod token;
mod unicode;

use std::borrow::Cow;

use commands::{Command, Side};
use number::Grouping;
pub(crate) use number::count_digits;
pub(crate) use token::{Delim, LogKind, Spanned, Token};

use crate::math::parsed::Unparsed;
use crate::math::tree::{Constant, RelOp};

/// Most tokens an answer may have.
pub(crate) const MAX_TOKENS: usize = 2_000;

/// Most nested brackets the lexer keeps track of.
const MAX_BRACKETS: usize = 256;

/// The tokens of an answer.
pub(crate) struct Lexed<'a> {
    /// Its tokens.
    pub(crate) tokens: Vec<Spanned<'a>>,
    /// Whether a bare comma was read as a thousands separator, so that the same text could be a
    /// list.
    pub(crate) bare_comma: bool,
}

/// How commas between groups of three digits are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commas {
    /// As thousands separators, outside round and square brackets and sets.
    Thousands,
    /// As separators of elements.
    Elements,
}

/// Whether a character beyond ASCII means something in a formula.
pub(crate) fn is_formula_character(c: char) -> bool {
    fold::fold(c).is_some_and(|folded| !matches!(folded, fold::Folded::Ignore))
}

/// Whether the argument of the command `name` is words.
pub(crate) fn is_wordy(name: &str) -> bool {
    matches!(name, "begin" | "end" | "mathbb" | "ce")
        || matches!(
            commands::command(name),
            Some(Command::Text | Command::Roman { .. } | Command::Blackboard)
        )
}

/// Whether a run of letters means something in a formula, or begins with a function: `sinx`.
pub(crate) fn is_formula_word(run: &str) -> bool {
    commands::word(run).is_some()
        || commands::is_greek(run)
        || (run.len() > 3
            && (run.len() - 2..run.len()).any(|len| {
                matches!(
                    commands::word(&run[..len]),
                    Some(Token::Function(_) | Token::Log(_) | Token::Sqrt)
                )
            }))
}

/// Splits `text` into tokens.
///
/// # Errors
/// [`Unparsed::Limit`] for more than [`MAX_TOKENS`] tokens or literals of more than 10,000 digits.
pub(crate) fn lex(text: &str, commas: Commas) -> Result<Lexed<'_>, Unparsed> {
    let mut lexer = Lexer {
        text,
        at: 0,
        end: text.len(),
        out: Vec::with_capacity(text.len().min(64)),
        brackets: Vec::new(),
        side: None,
        not: false,
        commas,
        bare_comma: false,
        environments: 0,
        brace_budget: 4 * text.len() + 64,
    };
    lexer.run()?;
    Ok(Lexed {
        tokens: lexer.out,
        bare_comma: lexer.bare_comma,
    })
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    end: usize,
    out: Vec<Spanned<'a>>,
    brackets: Vec<Delim>,
    side: Option<Side>,
    not: bool,
    commas: Commas,
    bare_comma: bool,
    /// Open environments with rows.
    environments: u32,
    /// Bytes that may still be looked at in vain for a closing brace.
    brace_budget: usize,
}

impl<'a> Lexer<'a> {
    fn run(&mut self) -> Result<(), Unparsed> {
        while self.at < self.end {
            if self.out.len() > MAX_TOKENS {
                return Err(Unparsed::Limit);
            }
            self.step()?;
        }
        Ok(())
    }

    fn push(&mut self, token: Token<'a>, start: usize) {
        let token = match token {
            Token::Rel(op) if self.not => {
                self.not = false;
                match op {
                    RelOp::Eq | RelOp::Equiv => Token::Rel(RelOp::Ne),
                    RelOp::In => Token::Rel(RelOp::NotIn),
                    _ => Token::Unknown,
                }
            }
            Token::Bar => match self.side.take() {
                Some(Side::Left) => Token::Open(Delim::Bar),
                Some(Side::Right) => Token::Close(Delim::Bar),
                _ => Token::Bar,
            },
            other => other,
        };
        self.side = None;
        match &token {
            Token::Open(delim) if self.brackets.len() < MAX_BRACKETS => self.brackets.push(*delim),
            Token::Close(_) => {
                self.brackets.pop();
            }
            _ => {}
        }
        self.out.push(Spanned {
            token,
            start: u32::try_from(start).unwrap_or(u32::MAX),
            end: u32::try_from(self.at).unwrap_or(u32::MAX),
        });
    }

    fn peek(&self, offset: usize) -> u8 {
        let at = self.at + offset;
        if at < self.end {
            self.text.as_bytes()[at]
        } else {
            0
        }
    }

    /// One token of `len` bytes.
    fn take(&mut self, token: Token<'a>, len: usize) {
        let start = self.at;
        self.at += len;
        self.push(token, start);
    }

    #[allow(clippy::too_many_lines)] // one table
    fn step(&mut self) -> Result<(), Unparsed> {
        let (next, after) = (self.peek(1), self.peek(2));
        match self.peek(0) {
            b'0'..=b'9' => return self.number(),
            b'.' if next.is_ascii_digit() => return self.number(),
            b'.' if next == b'.' && after == b'.' => self.take(Token::Dots, 3),
            b'.' => self.take(Token::Period, 1),
            b'A'..=b'Z' | b'a'..=b'z' => self.letters(),
            b'\\' => return self.backslash(),
            b'+' => self.take(Token::Plus, 1),
            b'-' if next == b'>' => self.take(Token::Rel(RelOp::Arrow), 2),
            b'-' => self.take(Token::Minus, 1),
            b'*' if next == b'*' => self.take(Token::Caret, 2),
            b'*' => self.take(Token::Times, 1),
            b'/' => self.take(Token::Slash, 1),
            b':' if next == b'=' => self.take(Token::Rel(RelOp::Eq), 2),
            b':' => self.take(Token::Colon, 1),
            b'^' => self.take(Token::Caret, 1),
            b'_' => self.take(Token::Underscore, 1),
            b'!' if next == b'=' => self.take(Token::Rel(RelOp::Ne), 2),
            b'!' => self.take(Token::Bang, 1),
            b'%' => self.take(Token::Percent, 1),
            b'\'' => self.take(Token::Prime, 1),
            b'(' => self.take(Token::Open(Delim::Paren), 1),
            b')' => self.take(Token::Close(Delim::Paren), 1),
            b'[' => self.take(Token::Open(Delim::Bracket), 1),
            b']' => self.take(Token::Close(Delim::Bracket), 1),
            b'{' if after == b'}' && next == b':' => self.take(Token::Colon, 3),
            b'{' if after == b'}' && next == b'=' => self.take(Token::Rel(RelOp::Eq), 3),
            b'{' => self.take(Token::Open(Delim::Brace), 1),
            b'}' => self.take(Token::Close(Delim::Brace), 1),
            b'|' => {
                let len = if next == b'|' && self.side.is_some() {
                    2
                } else {
                    1
                };
                self.take(Token::Bar, len);
            }
            b',' => self.take(Token::Comma, 1),
            b';' => self.take(Token::Semicolon, 1),
            b'=' if next == b'=' => self.take(Token::Rel(RelOp::Eq), 2),
            b'=' if next == b'>' => self.take(Token::Therefore, 2),
            b'=' => self.take(Token::Rel(RelOp::Eq), 1),
            b'<' if next == b'=' => self.take(Token::Rel(RelOp::Le), 2),
            b'<' => self.take(Token::Rel(RelOp::Lt), 1),
            b'>' if next == b'=' => self.take(Token::Rel(RelOp::Ge), 2),
            b'>' => self.take(Token::Rel(RelOp::Gt), 1),
            b'~' if next == b'=' => self.take(Token::Rel(RelOp::Approx), 2),
            b'&' => self.take(Token::Ampersand, 1),
            // Space, currency and quotation marks.
            b'$' | b'"' | b'`' | b'~' | b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c => self.at += 1,
            0..=0x7f => self.take(Token::Unknown, 1),
            _ => self.unicode()?,
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Unparsed> {
        let bracketed = matches!(
            self.brackets.last(),
            Some(Delim::Paren | Delim::Bracket | Delim::Set | Delim::Angle)
        );
        let grouping = Grouping {
            comma: self.commas == Commas::Thousands && !bracketed,
            space: true,
        };
        let start = self.at;
        let literal =
            number::literal(&self.text[self.at..self.end], grouping).ok_or(Unparsed::Limit)?;
        self.bare_comma |= literal.bare_comma;
        self.at += literal.len;
        self.push(Token::Number(literal.number), start);
        Ok(())
    }

    fn letters(&mut self) {
        let rest = &self.text[self.at..self.end];
        let len = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let run = &rest[..len];
        if let Some(token) = commands::word(run) {
            self.take(token, len);
            return;
        }
        if len > 3 && commands::is_greek(run) {
            self.take(Token::Name(Cow::Borrowed(run)), len);
            return;
        }
        // `1orW(x)`: words that have lost their spaces.
        let joint = ["or", "and"].into_iter().find(|w| {
            let capital = run[..len]
                .strip_prefix(w)
                .is_some_and(|r| r.starts_with(|c: char| c.is_ascii_uppercase()));
            capital
                && matches!(
                    self.out.last(),
                    Some(Spanned {
                        token: Token::Number(_),
                        ..
                    })
                )
        });
        if let Some(joint) = joint {
            self.take(Token::Comma, joint.len());
            return;
        }
        for at in 0..len.min(MAX_TOKENS) {
            let letter = &run[at..=at];
            let token = match letter {
                "e" => Token::Constant(Constant::E),
                "I" if len == 1 => Token::Constant(Constant::I),
                _ => Token::Name(Cow::Borrowed(letter)),
            };
            self.take(token, 1);
        }
        if len > MAX_TOKENS {
            self.at += len - MAX_TOKENS;
        }
    }

    fn backslash(&mut self) -> Result<(), Unparsed> {
        let next = self.peek(1);
        if next == b'\\' {
            // A doubled backslash before a letter is an escaped command, but for matrix rows.
            if self.peek(2).is_ascii_alphabetic() && !self.in_rows() {
                self.at += 1;
            } else {
                self.take(Token::RowEnd, 2);
                self.row_spacing();
            }
            return Ok(());
        }
        if !next.is_ascii_alphabetic() {
            match next {
                b'{' => self.take(Token::Open(Delim::Set), 2),
                b'}' => self.take(Token::Close(Delim::Set), 2),
                b'|' => self.take(Token::Bar, 2),
                b'%' => self.take(Token::Percent, 2),
                b'(' | b')' | b'[' | b']' | b'$' | b',' | b';' | b':' | b'!' | b' ' | b'\n'
                | b'\t' | b'>' | b'/' | b'\r' | 0x0b | 0x0c => self.at += 2,
                // A space whose blank was trimmed off.
                0 => self.at += 1,
                b'_' | b'&' | b'#' => self.take(Token::Unknown, 2),
                _ => self.take(Token::Unknown, 1),
            }
            return Ok(());
        }
        let rest = &self.text[self.at + 1..self.end];
        let len = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let mut name = &rest[..len];
        let mut meaning = commands::command(name);
        if meaning.is_none() {
            // `\pir`, `\cdotx`, `\quadx`: the longest known command that the letters begin with.
            for shorter in (2..len.min(12)).rev() {
                let known = commands::command(&rest[..shorter]);
                if matches!(known, Some(Command::Token(_)))
                    || (shorter >= 4 && matches!(known, Some(Command::Ignore)))
                {
                    name = &rest[..shorter];
                    meaning = known;
                    break;
                }
            }
        }
        let start = self.at;
        self.at += 1 + name.len();
        match meaning {
            None => self.push(Token::Unknown, start),
            Some(Command::Ignore) => {}
            Some(Command::IgnoreArgument) => {
                self.braced();
            }
            Some(Command::Size(side)) => {
                self.side = Some(side);
                self.skip_spaces();
                if self.peek(0) == b'.' {
                    // `\left.`: no bracket on this side.
                    self.side = None;
                    self.at += 1;
                }
            }
            Some(Command::Token(token)) => self.command(token, start),
            Some(Command::Text) => {
                if let Some(words) = self.braced() {
                    self.words(words, start)?;
                } else {
                    self.push(Token::Unknown, start);
                }
            }
            Some(Command::Roman { bold }) => self.roman(start, bold)?,
            Some(Command::Blackboard) => {
                let letter = self.argument();
                match commands::blackboard(letter) {
                    Some(set) => self.push(Token::NumberSet(set), start),
                    None => self.push(Token::Unknown, start),
                }
            }
            Some(Command::Begin) => {
                let name = self.braced().unwrap_or("").trim();
                if name == "array" {
                    self.braced();
                }
                self.brackets.push(Delim::Set);
                self.environments += 1;
                self.push(Token::Begin(name), start);
            }
            Some(Command::End) => {
                let name = self.braced().unwrap_or("").trim();
                self.brackets.pop();
                self.environments = self.environments.saturating_sub(1);
                self.push(Token::End(name), start);
            }
            Some(Command::Not) => self.not = true,
            Some(Command::Dot) => self.push(Token::Decoration("dot"), start),
        }
        Ok(())
    }

    /// Moves past the spacing that a row end may have: `\\\\[4pt]`.
    fn row_spacing(&mut self) {
        let rest = &self.text[self.at..self.end];
        let Some(inner) = rest.strip_prefix('[').filter(|_| self.in_rows()) else {
            return;
        };
        let Some((length, _)) = inner.split_once(']') else {
            return;
        };
        let number = length.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = matches!(
            &length[number.len()..],
            "pt" | "em" | "ex" | "mm" | "cm" | "in" | "mu"
        );
        if unit && number.trim().parse::<f64>().is_ok() {
            self.at += length.len() + 2;
        }
    }

    /// Whether the position is inside an environment with rows.
    fn in_rows(&self) -> bool {
        self.environments > 0
    }

    fn command(&mut self, token: Token<'a>, start: usize) {
        let digits = matches!(token, Token::Frac | Token::Sqrt);
        self.push(token, start);
        if digits {
            // TeX takes one digit where there are no braces: `\frac12`, `\sqrt2`.
            self.skip_spaces();
            if self.peek(0).is_ascii_digit() {
                let digit = self.peek(0) - b'0';
                self.take(Token::Digit(digit), 1);
            }
        }
    }

    fn skip_spaces(&mut self) {
        while matches!(self.peek(0), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    /// The content of the braces at the position, which moves past them.
    fn braced(&mut self) -> Option<&'a str> {
        self.skip_spaces();
        if self.peek(0) != b'{' {
            return None;
        }
        let mut depth = 0_usize;
        // Unclosed braces must not be looked for again and again.
        let budget = self.brace_budget.min(self.end - self.at);
        let span = &self.text.as_bytes()[self.at..self.at + budget];
        for (offset, byte) in span.iter().enumerate() {
            match byte {
                b'{' => depth += 1,
                b'}' => {
                    depth -= 1;
                    if depth == 0 {
                        let inner = &self.text[self.at + 1..self.at + offset];
                        self.at += offset + 1;
                        return Some(inner);
                    }
                }
                _ => {}
            }
        }
        self.brace_budget -= budget;
        None
    }

    /// A braced argument, or one letter.
    fn argument(&mut self) -> &'a str {
        if let Some(inner) = self.braced() {
            return inner.trim();
        }
        if self.peek(0).is_ascii_alphanumeric() {
            self.at += 1;
            return &self.text[self.at - 1..self.at];
        }
        ""
    }
}
