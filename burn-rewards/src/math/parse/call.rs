//! Functions with a fixed meaning and logarithms.

use super::{Parse, Parser};
use crate::math::lex::{Delim, LogKind, Token};
use crate::math::parsed::Unparsed;
use crate::math::tree::{Constant, Expr, Function, Number};

impl Parser<'_, '_> {
    /// A function's power and argument: `\sin^2 x`, `\max(a, b)`, `\sin^{-1} x`.
    pub(super) fn call(&mut self, function: Function) -> Parse<Expr> {
        let (function, power) = self.function_power(function)?;
        if self.peek() == Some(&Token::Underscore) {
            // `\max_{x \in A}` has no value here.
            return Err(Unparsed::Syntax);
        }
        let several = matches!(
            function,
            Function::Gcd | Function::Lcm | Function::Max | Function::Min
        );
        let degrees = trigonometric(function);
        let arguments = if several
            && matches!(
                self.peek(),
                Some(Token::Open(
                    Delim::Paren | Delim::Set | Delim::Brace | Delim::Bracket
                ))
            ) {
            self.several()?
        } else {
            vec![self.argument(degrees)?]
        };
        let call = Expr::Call(function, arguments);
        Ok(match power {
            Some(power) => Expr::Pow(Box::new(call), Box::new(power)),
            None => call,
        })
    }

    /// The exponent between a function and its argument; minus one inverts the function.
    fn function_power(&mut self, function: Function) -> Parse<(Function, Option<Expr>)> {
        if self.peek() != Some(&Token::Caret) {
            return Ok((function, None));
        }
        self.at += 1;
        let negative = self.peek() == Some(&Token::Minus);
        self.at += usize::from(negative);
        let mut power = self.braced_or_atom()?;
        if negative {
            power = power.negated();
        }
        let minus_one = matches!(&power, Expr::Neg(one) if **one == Expr::int(1));
        match inverse(function) {
            Some(inverse) if minus_one => Ok((inverse, None)),
            _ => Ok((function, Some(power))),
        }
    }

    /// Arguments of `\gcd` and the like between brackets of any kind.
    fn several(&mut self) -> Parse<Vec<Expr>> {
        let Some(Token::Open(delim)) = self.next() else {
            return Err(Unparsed::Syntax);
        };
        let delim = *delim;
        let (mut arguments, _) = self.inside(
            |_| {},
            |p| p.bracketed(|t| matches!(t, Token::Close(d) if *d == delim)),
        )?;
        self.close(delim)?;
        if let [Expr::Set(elements) | Expr::Tuple(elements)] = arguments.as_mut_slice() {
            return Ok(std::mem::take(elements));
        }
        Ok(arguments)
    }

    /// One argument: in brackets, or the product that follows. A parenthesis after the first
    /// factor, another function and an explicit operator end it: `\sin x \cdot 2` is
    /// `2 \sin x`.
    fn argument(&mut self, degrees: bool) -> Parse<Expr> {
        let outer = self.context;
        self.context.degrees = degrees;
        self.context.argument = true;
        let value = self.argument_value();
        self.context = outer;
        value
    }

    fn argument_value(&mut self) -> Parse<Expr> {
        match self.peek() {
            Some(Token::Open(delim @ (Delim::Paren | Delim::Bracket | Delim::Brace))) => {
                self.at += 1;
                let delim = *delim;
                let value = self.inside(|_| {}, Self::over_or_element)?;
                self.close(delim)?;
                if delim == Delim::Brace && self.continues_argument() {
                    // `\sin{2}x` is rare and means what TeX shows.
                    let rest = self.juxtaposed()?;
                    return Ok(Expr::Mul(vec![value, rest]));
                }
                if delim == Delim::Brace && self.peek() == Some(&Token::Caret) {
                    return self.powers(value);
                }
                if self.degree_sign() {
                    return Ok(self.degrees(value));
                }
                Ok(value)
            }
            Some(Token::Plus | Token::Minus) => self.deeper(Self::signed),
            Some(Token::Function(_) | Token::Log(_) | Token::BigOp(_)) => {
                // `\sin\arccos x`, `\ln\sin x`: a function of a function.
                self.deeper(Self::postfix)
            }
            _ => self.deeper(Self::juxtaposed),
        }
    }

    fn continues_argument(&self) -> bool {
        matches!(
            self.peek(),
            Some(Token::Name(_) | Token::Constant(_) | Token::Number(_))
        )
    }

    /// `\log_b x`, `\ln x`, `\lg x` and their powers.
    pub(super) fn logarithm(&mut self, kind: LogKind) -> Parse<Expr> {
        let mut base = None;
        let mut power = None;
        let mut split = None;
        for _ in 0..2 {
            match self.peek() {
                Some(Token::Underscore) if base.is_none() => {
                    self.at += 1;
                    let (value, rest) = self.log_base()?;
                    base = Some(value);
                    split = rest;
                }
                Some(Token::Caret) if power.is_none() => {
                    self.at += 1;
                    power = Some(self.braced_or_atom()?);
                }
                _ => break,
            }
        }
        let base = base.unwrap_or(match kind {
            LogKind::Log | LogKind::Lg => Expr::int(10),
            LogKind::Ln => Expr::Constant(Constant::E),
        });
        let argument = match split {
            Some(rest) => rest,
            None => self.argument(false)?,
        };
        let call = Expr::Call(Function::Log, vec![argument, base]);
        Ok(match power {
            Some(power) => Expr::Pow(Box::new(call), Box::new(power)),
            None => call,
        })
    }

    /// A base; `\log_28` without an argument is base 2 of 8.
    fn log_base(&mut self) -> Parse<(Expr, Option<Expr>)> {
        if let Some(Token::Number(number)) = self.peek() {
            let ends = !matches!(
                self.peek_at(1),
                Some(
                    Token::Number(_)
                        | Token::Name(_)
                        | Token::Constant(_)
                        | Token::Frac
                        | Token::Sqrt
                        | Token::Open(_)
                        | Token::Function(_)
                        | Token::Log(_)
                        | Token::Bar
                        | Token::Caret
                )
            );
            let digits = number.mantissa.to_string();
            if ends && digits.len() > 1 && number.exponent == 0 && digits.len() < 40 {
                if !self.grammar.malformed_operators {
                    return Err(Unparsed::Syntax);
                }
                self.at += 1;
                let (base, rest) = digits.split_at(1);
                let parse = |text: &str| {
                    dashu_int::IBig::from_str_radix(text, 10)
                        .map(|value| Expr::Number(Number::integer(value)))
                        .map_err(|_| Unparsed::Syntax)
                };
                return Ok((parse(base)?, Some(parse(rest)?)));
            }
        }
        Ok((self.braced_or_atom()?, None))
    }
}

fn trigonometric(function: Function) -> bool {
    matches!(
        function,
        Function::Sin
            | Function::Cos
            | Function::Tan
            | Function::Cot
            | Function::Sec
            | Function::Csc
    )
}

fn inverse(function: Function) -> Option<Function> {
    Some(match function {
        Function::Sin => Function::Arcsin,
        Function::Cos => Function::Arccos,
        Function::Tan => Function::Arctan,
        Function::Cot => Function::Arccot,
        Function::Sec => Function::Arcsec,
        Function::Csc => Function::Arccsc,
        Function::Sinh => Function::Arsinh,
        Function::Cosh => Function::Arcosh,
        Function::Tanh => Function::Artanh,
        _ => return None,
    })
}
