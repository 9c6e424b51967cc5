//! Postfix operators and powers.

use super::{Parse, Parser};
use crate::math::lex::{Delim, Token};
use crate::math::parsed::Unparsed;
use crate::math::tree::{BigOp, Expr, Function, NumberSet, Symbol};

impl Parser<'_, '_> {
    /// A factor with its postfix operators: `!`, `%`, degree sign, prime.
    pub(super) fn postfix(&mut self) -> Parse<Expr> {
        let mut value = self.factor()?;
        loop {
            match self.peek() {
                Some(Token::Bang) => {
                    self.at += 1;
                    self.nest()?;
                    let double = self.eat(&Token::Bang);
                    let function = if double {
                        Function::DoubleFactorial
                    } else {
                        Function::Factorial
                    };
                    value = Expr::Call(function, vec![value]);
                    value = self.powers(value)?;
                }
                Some(Token::Percent) => {
                    self.at += 1;
                    self.nest()?;
                    value = Expr::Percent(Box::new(value));
                }
                Some(Token::Prime) if matches!(value, Expr::Number(_)) => {
                    // Feet and minutes of arc are units.
                    self.at += 1;
                }
                _ if self.degree_sign() => {
                    self.nest()?;
                    value = self.degrees(value);
                }
                _ => return Ok(value),
            }
        }
    }

    /// A value with its powers.
    pub(super) fn factor(&mut self) -> Parse<Expr> {
        let base = self.deeper(Self::atom)?;
        self.powers(base)
    }

    /// The powers, and subscripts after powers, that follow `base`.
    pub(super) fn powers(&mut self, base: Expr) -> Parse<Expr> {
        if self.peek() != Some(&Token::Caret) {
            return Ok(base);
        }
        if self.degree_sign() {
            return Ok(self.degrees(base));
        }
        let at = self.at;
        self.at += 1;
        match self.exponent(&base)? {
            Exponent::Value(exponent) => {
                let base = self.late_subscript(base)?;
                let exponent = if self.peek() == Some(&Token::Caret) && !self.degree_ahead() {
                    // `2^3^2`, which TeX refuses and plain text reads from the right.
                    self.deeper(|p| p.powers(exponent))?
                } else {
                    exponent
                };
                let power = raise(base, exponent);
                if self.degree_sign() {
                    return Ok(self.degrees(power));
                }
                Ok(power)
            }
            Exponent::Transpose => Ok(Expr::Call(Function::Transpose, vec![base])),
            Exponent::Nothing => Ok(base),
            Exponent::Primes(count) => prime(base, count),
            Exponent::Mark => {
                let mark: String = self.source(at);
                if let Some(side) = self.limit_side.as_mut() {
                    *side = if mark.contains('-') {
                        BigOp::LimitFromBelow
                    } else {
                        BigOp::LimitFromAbove
                    };
                    return Ok(base);
                }
                mark_base(base, &mark)
            }
        }
    }

    /// `x^2_1` is `x_1^2`.
    fn late_subscript(&mut self, base: Expr) -> Parse<Expr> {
        if self.peek() == Some(&Token::Underscore)
            && let Expr::Symbol(symbol) = &base
        {
            let name = symbol.0.to_string();
            return self.subscripted(name).map(|s| Expr::Symbol(Symbol(s)));
        }
        Ok(base)
    }

    /// The exponent after `^`.
    fn exponent(&mut self, base: &Expr) -> Parse<Exponent> {
        if let Some(special) = self.special_exponent(base) {
            return Ok(special);
        }
        match self.peek() {
            Some(Token::Open(Delim::Brace)) => {
                self.at += 1;
                let value = self.inside(|_| {}, Self::element)?;
                self.close(Delim::Brace)?;
                Ok(Exponent::Value(value))
            }
            Some(Token::Open(Delim::Paren)) if !self.grammar.malformed_operators => {
                Err(Unparsed::Syntax)
            }
            Some(Token::Minus | Token::Plus) => {
                let negative = self.next() == Some(&Token::Minus);
                let value = self.deeper(Self::exponent_atom)?;
                Ok(Exponent::Value(if negative {
                    value.negated()
                } else {
                    value
                }))
            }
            // In `x^2_1` the subscript is that of x, not the base of 2.
            Some(Token::Number(number)) if self.peek_at(1) == Some(&Token::Underscore) => {
                self.at += 1;
                Ok(Exponent::Value(Expr::Number(number.clone())))
            }
            _ => Ok(Exponent::Value(self.exponent_atom()?)),
        }
    }

    /// `e^x`: one atom, where a function takes no argument beyond its own.
    fn exponent_atom(&mut self) -> Parse<Expr> {
        self.deeper(Self::atom)
    }

    /// Exponents that are no powers: `A^T`, `f^{\prime}`, `n^{\text{th}}`, `\mathbb{R}^+`, `z^*`.
    fn special_exponent(&mut self, base: &Expr) -> Option<Exponent> {
        let braced = self.peek() == Some(&Token::Open(Delim::Brace));
        let first = usize::from(braced);
        let mut len = first + 1;
        let exponent = match self.peek_at(first)? {
            Token::Top => Exponent::Transpose,
            Token::Name(name) if name == "T" && transposable(base) => Exponent::Transpose,
            Token::Prime => {
                let mut count = 1;
                while self.peek_at(len) == Some(&Token::Prime) {
                    count += 1;
                    len += 1;
                }
                Exponent::Primes(count)
            }
            Token::Text(words) if matches!(*words, "th" | "st" | "nd" | "rd") => Exponent::Nothing,
            Token::Text(words) if matches!(*words, "o" | "c") => Exponent::Nothing,
            // `60^o` is sixty degrees, `90^{th}` the ninetieth.
            Token::Name(name) if name == "o" && matches!(base, Expr::Number(_)) => {
                Exponent::Nothing
            }
            Token::Name(first_letter) if braced && matches!(base, Expr::Number(_)) => {
                let Some(Token::Name(second)) = self.peek_at(first + 1) else {
                    return None;
                };
                if !matches!(
                    (&**first_letter, &**second),
                    ("t", "h") | ("s", "t") | ("n", "d") | ("r", "d")
                ) {
                    return None;
                }
                len += 1;
                Exponent::Nothing
            }
            Token::Plus | Token::Times | Token::Minus => {
                let ends = if braced {
                    self.peek_at(first + 1) == Some(&Token::Close(Delim::Brace))
                } else {
                    !matches!(
                        self.peek_at(1),
                        Some(Token::Number(_) | Token::Name(_) | Token::Constant(_))
                    )
                };
                if !ends {
                    return None;
                }
                Exponent::Mark
            }
            _ => return None,
        };
        if braced {
            if self.peek_at(len) != Some(&Token::Close(Delim::Brace)) {
                return None;
            }
            len += 1;
        }
        self.at += len;
        Some(exponent)
    }

    fn degree_ahead(&self) -> bool {
        let braced = usize::from(self.peek_at(1) == Some(&Token::Open(Delim::Brace)));
        self.peek() == Some(&Token::Caret)
            && matches!(self.peek_at(1 + braced), Some(Token::Circ | Token::Degree))
    }

    /// Moves past a degree sign: `°`, `^\circ`, `^{\circ}`.
    pub(super) fn degree_sign(&mut self) -> bool {
        if self.eat(&Token::Degree) {
            return true;
        }
        if !self.degree_ahead() {
            return false;
        }
        let braced = self.peek_at(1) == Some(&Token::Open(Delim::Brace));
        if braced && self.peek_at(3) != Some(&Token::Close(Delim::Brace)) {
            return false;
        }
        self.at += if braced { 4 } else { 2 };
        true
    }

    /// Degrees count only inside trigonometric functions.
    pub(super) fn degrees(&self, value: Expr) -> Expr {
        if self.context.degrees {
            Expr::Call(Function::Degrees, vec![value])
        } else {
            value
        }
    }
}

enum Exponent {
    Value(Expr),
    Transpose,
    Primes(usize),
    /// A plus, star or minus sign that is part of the name.
    Mark,
    Nothing,
}

/// Whether `^T` after `base` means the transpose: matrices, and what is named like one.
fn transposable(base: &Expr) -> bool {
    match base {
        Expr::Matrix(_) => true,
        Expr::Symbol(symbol) => {
            symbol.0.starts_with("mathbf")
                || symbol.0.starts_with("vec")
                || symbol.0.chars().next().is_some_and(char::is_uppercase)
        }
        _ => false,
    }
}

/// `base^exponent`; of a function, the power of its value.
fn raise(base: Expr, exponent: Expr) -> Expr {
    Expr::Pow(Box::new(base), Box::new(exponent))
}

fn prime(base: Expr, count: usize) -> Parse<Expr> {
    match base {
        Expr::Symbol(symbol) => Ok(Expr::Symbol(Symbol(
            format!("{}{}", symbol.0, "'".repeat(count.min(8))).into(),
        ))),
        Expr::Number(_) => Ok(base),
        _ => Err(Unparsed::Syntax),
    }
}

/// `\mathbb{R}^+`, `\mathbb{Z}^{*}`, `z^*`, `a^+`: another name, or an interval.
fn mark_base(base: Expr, mark: &str) -> Parse<Expr> {
    let mark: String = mark.chars().filter(|c| *c != '^').collect();
    match base {
        Expr::NumberSet(set) => {
            let letter = match set {
                NumberSet::Naturals => "N",
                NumberSet::Integers => "Z",
                NumberSet::Rationals => "Q",
                NumberSet::Reals => "R",
                NumberSet::Complexes => "C",
                NumberSet::Primes => "P",
            };
            Ok(Expr::Symbol(Symbol(
                format!("mathbb{{{letter}}}^{{{mark}}}").into(),
            )))
        }
        Expr::Symbol(symbol) => Ok(Expr::Symbol(Symbol(
            format!("{}^{{{mark}}}", symbol.0).into(),
        ))),
        _ => Err(Unparsed::Syntax),
    }
}
