//! Characters beyond ASCII.

use std::borrow::Cow;

use super::fold::{Folded, fold};
use super::number::{Grouping, count_digits, literal};
use super::token::{Delim, Token};
use super::{Commas, Lexer, MAX_TOKENS, lex};
use crate::math::parsed::Unparsed;

/// Digits without any separator.
const UNGROUPED: Grouping = Grouping {
    comma: false,
    space: false,
};

impl<'a> Lexer<'a> {
    /// One character beyond ASCII, or a run of raised or lowered ones.
    pub(super) fn unicode(&mut self) -> Result<(), Unparsed> {
        let start = self.at;
        let Some(c) = self.text[start..self.end].chars().next() else {
            self.at = self.end;
            return Ok(());
        };
        match fold(c) {
            Some(Folded::Ignore) => self.at += c.len_utf8(),
            Some(Folded::Token(token)) => self.take(token, c.len_utf8()),
            Some(Folded::Ascii(byte)) => {
                let folded = fold_run(&self.text[start..self.end]);
                if byte.is_ascii_digit()
                    && let Some(literal) = literal(&folded.0, UNGROUPED)
                {
                    let bytes = fold_prefix(&self.text[start..self.end], literal.len);
                    self.take(Token::Number(literal.number), bytes);
                } else {
                    // Punctuation and letters mean what their ASCII forms mean.
                    let sub = lex_one(byte);
                    self.take(sub, c.len_utf8());
                }
            }
            Some(Folded::Superscript(_)) => {
                let text = &self.text[start..self.end];
                let (digits, len) = script_run(text, |f| match f {
                    Folded::Superscript(c) => Some(c),
                    _ => None,
                });
                self.script(Token::Caret, &digits, len);
            }
            Some(Folded::Subscript(_)) => {
                let text = &self.text[start..self.end];
                let (digits, len) = script_run(text, |f| match f {
                    Folded::Subscript(c) => Some(c),
                    _ => None,
                });
                self.script(Token::Underscore, &digits, len);
            }
            Some(Folded::Fraction(over, under)) => {
                self.take(Token::Frac, c.len_utf8());
                for value in [over, under] {
                    self.push(Token::Digit(value), start);
                }
            }
            None => self.take(Token::Unknown, c.len_utf8()),
        }
        Ok(())
    }

    /// `²` and its kin: an operator and a braced run.
    fn script(&mut self, operator: Token<'a>, chars: &str, len: usize) {
        let start = self.at;
        self.take(operator, len);
        self.push(Token::Open(Delim::Brace), start);
        let mut rest = chars;
        while let Some(c) = rest.chars().next() {
            let digits = count_digits(rest.as_bytes());
            if digits > 0
                && let Some(literal) = literal(&rest[..digits], UNGROUPED)
            {
                self.push(Token::Number(literal.number), start);
                rest = &rest[digits..];
                continue;
            }
            self.push(
                match c {
                    '+' => Token::Plus,
                    '-' => Token::Minus,
                    c => Token::Name(Cow::Owned(c.to_string())),
                },
                start,
            );
            rest = &rest[c.len_utf8()..];
        }
        self.push(Token::Close(Delim::Brace), start);
    }
}

/// A run of full-width characters as ASCII.
fn fold_run(text: &str) -> (String, usize) {
    let mut out = String::new();
    for c in text.chars().take(64) {
        match fold(c) {
            Some(Folded::Ascii(byte)) => out.push(char::from(byte)),
            _ if c.is_ascii_digit() || c == '.' => out.push(c),
            _ => break,
        }
    }
    let len = out.len();
    (out, len)
}

/// Bytes of the first `chars` characters.
fn fold_prefix(text: &str, chars: usize) -> usize {
    text.chars().take(chars).map(char::len_utf8).sum()
}

/// The token of one ASCII character.
fn lex_one(byte: u8) -> Token<'static> {
    let text = char::from(byte).to_string();
    match lex(&text, Commas::Elements) {
        Ok(lexed) => match lexed.tokens.into_iter().next().map(|t| t.token) {
            Some(Token::Name(name)) => Token::Name(Cow::Owned(name.into_owned())),
            Some(Token::Plus) => Token::Plus,
            Some(Token::Minus) => Token::Minus,
            Some(Token::Times) => Token::Times,
            Some(Token::Slash) => Token::Slash,
            Some(Token::Colon) => Token::Colon,
            Some(Token::Caret) => Token::Caret,
            Some(Token::Bang) => Token::Bang,
            Some(Token::Percent) => Token::Percent,
            Some(Token::Open(d)) => Token::Open(d),
            Some(Token::Close(d)) => Token::Close(d),
            Some(Token::Bar) => Token::Bar,
            Some(Token::Comma) => Token::Comma,
            Some(Token::Semicolon) => Token::Semicolon,
            Some(Token::Rel(op)) => Token::Rel(op),
            Some(Token::Constant(c)) => Token::Constant(c),
            _ => Token::Unknown,
        },
        Err(_) => Token::Unknown,
    }
}

fn script_run(text: &str, pick: impl Fn(Folded) -> Option<char>) -> (String, usize) {
    let mut out = String::new();
    let mut len = 0;
    for c in text.chars().take(MAX_TOKENS) {
        match fold(c).and_then(&pick) {
            Some(folded) => {
                out.push(folded);
                len += c.len_utf8();
            }
            None => break,
        }
    }
    (out, len)
}
