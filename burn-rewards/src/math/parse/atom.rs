//! Values that stand alone.

use super::{Parse, Parser};
use crate::math::lex::{Delim, Token};
use crate::math::parsed::Unparsed;
use crate::math::tree::{Constant, Expr, Function, Number, Symbol};

impl Parser<'_, '_> {
    /// One value, without postfix operators and powers.
    pub(super) fn atom(&mut self) -> Parse<Expr> {
        let at = self.at;
        match self.next().ok_or(Unparsed::Syntax)? {
            Token::Number(number) => self.number(number),
            Token::Digit(digit) => {
                if !self.grammar.malformed_operators {
                    return Err(Unparsed::Syntax);
                }
                Ok(Expr::int(i64::from(*digit)))
            }
            Token::Name(name) => {
                if name == "d"
                    && let Some(one) = self.read_differential()
                {
                    return Ok(one);
                }
                self.name(name)
            }
            Token::Constant(Constant::E) => {
                // `e_1` is a symbol.
                if self.peek() == Some(&Token::Underscore) {
                    return self.name("e");
                }
                Ok(Expr::Constant(Constant::E))
            }
            Token::Constant(Constant::I) if self.at_zero_argument() => self.name("I"),
            Token::Constant(constant) => Ok(Expr::Constant(*constant)),
            Token::Text(words) => self.text_value(words),
            Token::Function(function) => self.call(*function),
            Token::Log(kind) => self.logarithm(*kind),
            Token::BigOp(op) => self.big_operator(*op),
            Token::Frac => self.fraction(),
            Token::Sqrt => self.root(at),
            Token::Binom => {
                let n = self.braced_or_digit()?;
                let k = self.braced_or_digit()?;
                Ok(Expr::Call(Function::Binomial, vec![n, k]))
            }
            Token::Boxed => self.braced_or_atom(),
            Token::Decoration(name) => self.decorated(name),
            Token::NumberSet(set) => Ok(Expr::NumberSet(*set)),
            Token::EmptySet => Ok(Expr::EmptySet),
            Token::Dots => Ok(Expr::symbol("ldots")),
            Token::Open(delim) => self.group(*delim),
            Token::Close(Delim::Bracket) => self.french_interval(),
            Token::Bar => self.absolute(),
            Token::Begin(name) => self.environment(name),
            Token::Degree if self.context.degrees => Err(Unparsed::Syntax),
            _ => Err(Unparsed::Syntax),
        }
    }

    /// A number literal, with a base if a subscript follows.
    fn number(&mut self, number: &Number) -> Parse<Expr> {
        if self.peek() != Some(&Token::Underscore) {
            if self.peek() == Some(&Token::Dots) && number.decimal {
                // `0.333\ldots` is read as far as it is written.
                self.at += 1;
            }
            return Ok(Expr::Number(number.clone()));
        }
        let digits = self.source(self.at - 1);
        self.at += 1;
        let subscript = self.subscript()?;
        let written = subscript.trim_matches(['(', ')']);
        let written = written.strip_prefix("textbase").unwrap_or(written);
        let base = match written {
            "two" | "texttwo" => Some(2),
            "three" | "textthree" => Some(3),
            "four" | "textfour" => Some(4),
            "five" | "textfive" => Some(5),
            "six" | "textsix" => Some(6),
            "seven" | "textseven" => Some(7),
            "eight" | "texteight" => Some(8),
            "nine" | "textnine" => Some(9),
            "ten" | "textten" => Some(10),
            "sixteen" | "textsixteen" => Some(16),
            other => other.parse::<u32>().ok(),
        };
        match base {
            Some(base) if (2..=36).contains(&base) && !number.decimal => Ok(Expr::InBase {
                digits: digits.to_ascii_lowercase().into(),
                base,
            }),
            _ => Ok(Expr::Symbol(Symbol(
                format!("{digits}_{{{subscript}}}").into(),
            ))),
        }
    }

    /// Words as a value; an introduction such as "Answer:" is skipped.
    fn text_value(&mut self, words: &str) -> Parse<Expr> {
        if words.ends_with([':', '=']) && self.peek().is_some() {
            return self.factor();
        }
        let name: String = words.split_whitespace().collect::<Vec<_>>().join(" ");
        if self.peek() == Some(&Token::Underscore) {
            let full = self.subscripted(name)?;
            return Ok(Expr::Text(full));
        }
        Ok(Expr::Text(name.into()))
    }

    /// `\frac` with braces, digits or single symbols; `\frac{d}{dx}` is a derivative.
    fn fraction(&mut self) -> Parse<Expr> {
        if let Some(derivative) = self.derivative() {
            return derivative;
        }
        let over = self.braced_or_digit()?;
        let under = self.braced_or_digit()?;
        Ok(Expr::Div(Box::new(over), Box::new(under)))
    }

    /// An argument of `\frac`, `\binom` or `\sqrt`.
    pub(super) fn braced_or_digit(&mut self) -> Parse<Expr> {
        if self.peek() == Some(&Token::Open(Delim::Brace)) {
            self.at += 1;
            let value = self.inside(|_| {}, Self::over_or_element)?;
            self.close(Delim::Brace)?;
            return Ok(value);
        }
        // A vulgar fraction such as `½` has digits of its own.
        let own = self.at > 0
            && self.tokens.get(self.at).is_some_and(|t| {
                !self.text[t.start as usize..].starts_with(|c: char| c.is_ascii())
            });
        if !self.grammar.malformed_operators && !own {
            return Err(Unparsed::Syntax);
        }
        match self.peek() {
            Some(Token::Digit(digit)) => {
                self.at += 1;
                Ok(Expr::int(i64::from(*digit)))
            }
            Some(Token::Open(Delim::Paren)) => {
                self.at += 1;
                self.group(Delim::Paren)
            }
            _ => self.deeper(Self::atom),
        }
    }

    /// `\sqrt[n]{x}`, `\sqrt2`, `√x`, `sqrt(x)`.
    fn root(&mut self, at: usize) -> Parse<Expr> {
        let index = if self.open(Delim::Bracket) {
            let index = self.inside(|_| {}, Self::element)?;
            self.close(Delim::Bracket)?;
            index
        } else {
            Expr::int(2)
        };
        let latex = self
            .tokens
            .get(at)
            .is_some_and(|t| self.text[t.start as usize..].starts_with('\\'));
        let radicand = if latex || self.peek() == Some(&Token::Open(Delim::Brace)) {
            self.braced_or_digit()?
        } else {
            self.deeper(Self::atom)?
        };
        Ok(Expr::Root(Box::new(radicand), Box::new(index)))
    }
}
