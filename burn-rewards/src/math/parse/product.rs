//! Sums, products and signs.

use super::{Parse, Parser};
use crate::math::lex::{Delim, Token};
use crate::math::parsed::Unparsed;
use crate::math::tree::{Expr, Function, Number};

impl Parser<'_, '_> {
    /// Terms with `+`, `-`, `\pm` and `\mp` between them.
    pub(super) fn sum(&mut self) -> Parse<Expr> {
        let first = self.product()?;
        let mut terms = vec![first];
        loop {
            if self.integral_ends() {
                break;
            }
            let sign = match self.peek() {
                Some(Token::Plus) => Sign::Plus,
                Some(Token::Minus) => Sign::Minus,
                Some(Token::PlusMinus) => Sign::PlusMinus,
                Some(Token::MinusPlus) => Sign::MinusPlus,
                _ => break,
            };
            self.at += 1;
            let term = self.product()?;
            terms.push(sign.apply(term));
        }
        Ok(one_or(terms, Expr::Add))
    }

    /// Factors with explicit operators: `\cdot`, `/`, `:`, `\bmod`.
    pub(super) fn product(&mut self) -> Parse<Expr> {
        self.deeper(|p| {
            let start = p.at;
            let mut over = vec![p.signed()?];
            let mut under: Vec<Expr> = Vec::new();
            let mut ratio = true;
            loop {
                if p.integral_ends() {
                    break;
                }
                match p.peek() {
                    Some(Token::Times) => {
                        p.at += 1;
                        ratio = false;
                        over.push(p.signed()?);
                    }
                    Some(Token::Slash) => {
                        p.at += 1;
                        ratio = false;
                        under.push(p.signed()?);
                    }
                    Some(Token::Colon) if !p.context.builder => {
                        p.at += 1;
                        under.push(p.signed()?);
                    }
                    Some(Token::Mod) => {
                        p.at += 1;
                        ratio = false;
                        p.nest()?;
                        let left = quotient(over, under);
                        over = vec![Expr::Call(Function::Mod, vec![left, p.signed()?])];
                        under = Vec::new();
                    }
                    _ => break,
                }
            }
            if ratio && under.len() == 1 && under.first() == Some(&Expr::int(0)) {
                // `11:00` is a time; as a quotient it has no value.
                return Ok(Expr::Text(p.source(start).into()));
            }
            if ratio && under.len() > 1 {
                over.extend(under);
                return Ok(Expr::Ratio(over));
            }
            Ok(quotient(over, under))
        })
    }

    /// A sign before a product by juxtaposition.
    pub(super) fn signed(&mut self) -> Parse<Expr> {
        let sign = match self.peek() {
            Some(Token::Plus) => Sign::Plus,
            Some(Token::Minus) => Sign::Minus,
            Some(Token::PlusMinus) => Sign::PlusMinus,
            Some(Token::MinusPlus) => Sign::MinusPlus,
            _ => return self.juxtaposed(),
        };
        self.at += 1;
        let value = self.deeper(Self::signed)?;
        Ok(sign.apply(value))
    }

    /// Factors side by side: `2x\sqrt{3}(x+1)`; a mixed number among them is a sum.
    pub(super) fn juxtaposed(&mut self) -> Parse<Expr> {
        let first = if let Some(mixed) = self.mixed_number()? {
            mixed
        } else {
            self.postfix()?
        };
        let mut factors = vec![first];
        let mut after_number = matches!(factors[0], Expr::Number(_) | Expr::Percent(_));
        while self.starts_factor(after_number) {
            if self.context.argument && matches!(self.peek(), Some(Token::Open(Delim::Paren))) {
                // `\sin x (y+1)`: the parentheses are another factor.
                break;
            }
            if self.context.argument && self.starts_call() {
                break;
            }
            let factor = self.postfix()?;
            after_number = matches!(factor, Expr::Number(_));
            factors.push(factor);
            if self.integral_ends() {
                break;
            }
        }
        Ok(cartesian(factors))
    }

    fn starts_call(&self) -> bool {
        matches!(
            self.peek(),
            Some(Token::Function(_) | Token::Log(_) | Token::BigOp(_))
        )
    }

    /// Whether the next token begins another factor.
    fn starts_factor(&self, after_number: bool) -> bool {
        match self.peek() {
            // Two numbers side by side mean nothing.
            Some(Token::Number(_) | Token::Digit(_)) => !after_number,
            Some(
                Token::Name(_)
                | Token::Constant(_)
                | Token::Function(_)
                | Token::Log(_)
                | Token::BigOp(_)
                | Token::Frac
                | Token::Sqrt
                | Token::Binom
                | Token::Decoration(_)
                | Token::Boxed
                | Token::NumberSet(_)
                | Token::Partial
                | Token::Begin(_)
                | Token::Dots,
            ) => true,
            Some(Token::Text(words)) => !is_condition_word(words),
            Some(Token::Open(Delim::Bracket)) if self.context.square => self.bracket_opens(),
            // `(mod 5)` belongs to the relation, `(= 0.75)` is a remark.
            Some(Token::Open(_)) => self.peek_at(1) != Some(&Token::Mod) && !self.starts_remark(),
            Some(Token::Bar) => self.context.bars == 0 && !self.context.builder,
            _ => false,
        }
    }

    /// Inside square brackets, whether `[` opens another pair or closes a French interval.
    fn bracket_opens(&self) -> bool {
        !matches!(
            self.peek_at(1),
            None | Some(
                Token::Cup
                    | Token::Cap
                    | Token::SetMinus
                    | Token::Comma
                    | Token::Semicolon
                    | Token::Period
                    | Token::Close(_)
                    | Token::Rel(_)
            )
        )
    }

    /// An integer and a fraction of positive integers: `2\frac{1}{2}`, `2 1/2`.
    fn mixed_number(&mut self) -> Parse<Option<Expr>> {
        let Some(whole) = self.integer_at(0) else {
            return Ok(None);
        };
        let (over, under, len) = match self.peek_at(1) {
            Some(Token::Number(_)) => {
                let (Some(over), Some(Token::Slash), Some(under)) =
                    (self.integer_at(1), self.peek_at(2), self.integer_at(3))
                else {
                    return Ok(None);
                };
                (over, under, 4)
            }
            Some(Token::Frac) => {
                let Some((over, len_over)) = self.integer_argument(2) else {
                    return Ok(None);
                };
                let Some((under, len_under)) = self.integer_argument(2 + len_over) else {
                    return Ok(None);
                };
                (over, under, 2 + len_over + len_under)
            }
            _ => return Ok(None),
        };
        if matches!(
            self.peek_at(len),
            Some(Token::Caret | Token::Bang | Token::Underscore)
        ) {
            return Ok(None);
        }
        if !self.grammar.malformed_operators
            && self.tokens[self.at..self.at + len]
                .iter()
                .any(|t| matches!(t.token, Token::Digit(_)))
        {
            return Err(Unparsed::Syntax);
        }
        self.at += len;
        let fraction = Expr::Div(Box::new(Expr::Number(over)), Box::new(Expr::Number(under)));
        let mut value = Expr::Add(vec![Expr::Number(whole), fraction]);
        if self.eat(&Token::Percent) {
            value = Expr::Percent(Box::new(value));
        }
        while self.degree_sign() {}
        Ok(Some(value))
    }

    fn integer_at(&self, offset: usize) -> Option<Number> {
        match self.peek_at(offset)? {
            Token::Number(number) if !number.decimal => Some(number.clone()),
            Token::Digit(digit) => Some(Number::integer(i64::from(*digit))),
            _ => None,
        }
    }

    /// A braced or bare integer at `offset`, and the tokens it takes.
    fn integer_argument(&self, offset: usize) -> Option<(Number, usize)> {
        if self.peek_at(offset) == Some(&Token::Open(Delim::Brace)) {
            let number = self.integer_at(offset + 1)?;
            return (self.peek_at(offset + 2) == Some(&Token::Close(Delim::Brace)))
                .then_some((number, 3));
        }
        self.integer_at(offset).map(|number| (number, 1))
    }
}

pub(super) fn is_condition_word(words: &str) -> bool {
    let words = words.trim_matches([',', ' ', '.']).to_ascii_lowercase();
    let mut words = words.split_whitespace();
    let opens = matches!(
        words.next(),
        Some("where" | "for" | "if" | "when" | "with" | "such" | "given" | "as" | "provided")
    );
    opens && words.all(names_a_domain)
}

/// Words of a side condition that only say over what a variable runs: `for all positive integers`.
fn names_a_domain(word: &str) -> bool {
    const WORDS: [&str; 23] = [
        "that",
        "all",
        "any",
        "some",
        "every",
        "each",
        "real",
        "reals",
        "integer",
        "integers",
        "positive",
        "negative",
        "non-negative",
        "nonnegative",
        "nonzero",
        "natural",
        "whole",
        "rational",
        "number",
        "numbers",
        "constant",
        "constants",
        "arbitrary",
    ];
    WORDS.contains(&word)
}

#[derive(Clone, Copy)]
enum Sign {
    Plus,
    Minus,
    PlusMinus,
    MinusPlus,
}

impl Sign {
    fn apply(self, value: Expr) -> Expr {
        match self {
            Self::Plus => value,
            Self::Minus => value.negated(),
            Self::PlusMinus => Expr::PlusMinus(Box::new(value)),
            Self::MinusPlus => Expr::MinusPlus(Box::new(value)),
        }
    }
}

/// `many` of the parts, or the only one.
pub(super) fn one_or(mut parts: Vec<Expr>, many: impl FnOnce(Vec<Expr>) -> Expr) -> Expr {
    if parts.len() == 1 {
        parts.swap_remove(0)
    } else {
        many(parts)
    }
}

fn quotient(over: Vec<Expr>, under: Vec<Expr>) -> Expr {
    let over = cartesian(over);
    if under.is_empty() {
        over
    } else {
        Expr::Div(Box::new(over), Box::new(one_or(under, Expr::Mul)))
    }
}

/// A product, of sets if all factors are sets.
fn cartesian(factors: Vec<Expr>) -> Expr {
    let sets = factors.len() > 1
        && factors.iter().all(|f| {
            matches!(
                f,
                Expr::Interval(_) | Expr::Set(_) | Expr::NumberSet(_) | Expr::EmptySet
            )
        });
    one_or(factors, if sets { Expr::Cartesian } else { Expr::Mul })
}
