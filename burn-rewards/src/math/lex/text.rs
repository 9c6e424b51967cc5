//! Words and letters in another font: `\text{…}`, `\mathrm{…}`, `\mathbf{…}`.

use std::borrow::Cow;

use super::Lexer;
use super::commands;
use super::token::{Delim, Token};
use crate::math::parsed::Unparsed;
use crate::math::tree::Constant;

impl<'a> Lexer<'a> {
    /// The words of `\text{…}`.
    pub(super) fn words(&mut self, words: &'a str, start: usize) -> Result<(), Unparsed> {
        let trimmed = words.trim_matches(|c: char| c.is_whitespace() || c == '~');
        let bare = trimmed.trim_matches([',', ';']).trim();
        let token = match bare {
            "" if trimmed.is_empty() => return Ok(()),
            "" | "and" | "or" | "And" | "Or" | "AND" | "OR" | "and/or" | "或" | "或者" | "和"
            | "与" | "及" | "以及" | "且" => Token::Comma,
            "to" | "比" => Token::Colon,
            "percent" | "pct" | "percentage" => Token::Percent,
            _ => {
                let inner = bare
                    .strip_prefix('(')
                    .and_then(|b| b.strip_suffix(')'))
                    .unwrap_or(bare)
                    .trim();
                return self.roman_words(inner, bare, start, false);
            }
        };
        self.push(token, start);
        Ok(())
    }

    pub(super) fn roman(&mut self, start: usize, bold: bool) -> Result<(), Unparsed> {
        self.skip_spaces();
        let inner = if self.peek(0) == b'{' || self.peek(0) == b'*' {
            if self.peek(0) == b'*' {
                self.at += 1;
            }
            match self.braced() {
                Some(inner) => inner,
                None => {
                    self.push(Token::Unknown, start);
                    return Ok(());
                }
            }
        } else if self.text[..self.at].ends_with(char::is_whitespace)
            && (self.text[start..].starts_with("\\rm") || self.text[start..].starts_with("\\bf"))
        {
            // `{\rm d}`: the switch applies to the letters that follow.
            let len = self.text[self.at..self.end]
                .bytes()
                .take_while(u8::is_ascii_alphabetic)
                .count();
            let inner = &self.text[self.at..self.at + len];
            self.at += len;
            inner
        } else {
            self.argument()
        };
        let inner = inner.trim();
        self.roman_words(inner, inner, start, bold)
    }

    /// Upright or bold letters: a function, a symbol, a number or words.
    fn roman_words(
        &mut self,
        inner: &'a str,
        whole: &'a str,
        start: usize,
        bold: bool,
    ) -> Result<(), Unparsed> {
        let inner = inner.trim_matches(|c: char| c.is_whitespace() || c == '~');
        if inner.is_empty() {
            return Ok(());
        }
        let letters = inner.bytes().all(|b| b.is_ascii_alphabetic());
        if letters && inner.len() == 1 {
            let token = match inner {
                "i" | "e" if bold => Token::Name(Cow::Owned(format!("mathbf{{{inner}}}"))),
                "e" => Token::Constant(Constant::E),
                "i" => Token::Constant(Constant::I),
                _ => Token::Name(Cow::Borrowed(inner)),
            };
            self.push(token, start);
            return Ok(());
        }
        if letters {
            if let Some(f) = commands::function(inner) {
                self.push(Token::Function(f), start);
                return Ok(());
            }
            match commands::word(inner) {
                Some(token) => self.push(token, start),
                None => self.push(Token::Text(whole), start),
            }
            return Ok(());
        }
        let mathematics = inner
            .bytes()
            .all(|b| !b.is_ascii_alphabetic() || b == b'\\')
            || inner.starts_with('\\');
        if mathematics && inner.len() < 200 && self.end == self.text.len() {
            // `\mathbf{733}`, `\mathbf{-\frac12}`: mathematics in another font, one level deep.
            let offset = inner.as_ptr() as usize - self.text.as_ptr() as usize;
            let (at, end) = (self.at, self.end);
            (self.at, self.end) = (offset, offset + inner.len());
            let open = self.out.len();
            self.push(Token::Open(Delim::Brace), start);
            self.run()?;
            (self.at, self.end) = (at, end);
            if self.out.len() == open + 2 {
                let inner = self.out.pop();
                self.out.pop();
                self.out.extend(inner);
                self.brackets.pop();
            } else {
                self.push(Token::Close(Delim::Brace), start);
            }
            return Ok(());
        }
        self.push(Token::Text(whole), start);
        Ok(())
    }
}
