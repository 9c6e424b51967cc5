//! Brackets: groups, tuples, intervals, sets, absolute values, floors.

use super::list::closes_set;
use super::{Parse, Parser};
use crate::math::lex::{Delim, Token};
use crate::math::parsed::Unparsed;
use crate::math::tree::{Expr, Function, Interval};

impl Parser<'_, '_> {
    /// What stands between the bracket just read and the one that closes it.
    pub(super) fn group(&mut self, delim: Delim) -> Parse<Expr> {
        match delim {
            Delim::Paren => self.pair_or_tuple(false),
            Delim::Bracket => self.pair_or_tuple(true),
            Delim::Brace => self.braces(),
            Delim::Set => self.set(),
            Delim::Floor => self.rounded(Delim::Floor, Function::Floor),
            Delim::Ceil => self.rounded(Delim::Ceil, Function::Ceil),
            Delim::Bar => self.rounded(Delim::Bar, Function::Abs),
            Delim::Angle => self.angle(),
        }
    }

    fn rounded(&mut self, delim: Delim, function: Function) -> Parse<Expr> {
        let value = self.inside(|_| {}, Self::element)?;
        self.close(delim)?;
        Ok(Expr::Call(function, vec![value]))
    }

    /// `(…)` and `[…]`, closed by either, or `[a, b[`.
    fn pair_or_tuple(&mut self, square: bool) -> Parse<Expr> {
        let (mut elements, semicolon) = self.inside(
            |c| c.square = square,
            |p| {
                p.bracketed(|t| {
                    matches!(
                        t,
                        Token::Close(Delim::Paren | Delim::Bracket) | Token::Open(Delim::Bracket)
                    )
                })
            },
        )?;
        let (hi_closed, french) = match self.next() {
            Some(Token::Close(Delim::Paren)) => (false, false),
            Some(Token::Close(Delim::Bracket)) => (true, false),
            Some(Token::Open(Delim::Bracket)) if square => (false, true),
            _ => return Err(Unparsed::Syntax),
        };
        let matching = square == hi_closed;
        if elements.len() == 2 && !(semicolon && matching && !french) {
            return Ok(interval(elements, square, hi_closed, french));
        }
        if !matching || french {
            return Err(Unparsed::Syntax);
        }
        if elements.len() == 1 {
            return Ok(elements.swap_remove(0));
        }
        Ok(Expr::Tuple(elements))
    }

    /// `]a, b[` and `]a, b]`, after the first bracket.
    pub(super) fn french_interval(&mut self) -> Parse<Expr> {
        let (elements, _) = self.inside(
            |c| c.square = true,
            |p| {
                p.bracketed(|t| {
                    matches!(
                        t,
                        Token::Close(Delim::Bracket) | Token::Open(Delim::Bracket)
                    )
                })
            },
        )?;
        let hi_closed = match self.next() {
            Some(Token::Close(Delim::Bracket)) => true,
            Some(Token::Open(Delim::Bracket)) => false,
            _ => return Err(Unparsed::Syntax),
        };
        if elements.len() != 2 {
            return Err(Unparsed::Syntax);
        }
        Ok(interval(elements, false, hi_closed, true))
    }

    /// `{…}`: a group; with commas a set, as the Python library reads it.
    fn braces(&mut self) -> Parse<Expr> {
        if self.eat(&Token::Close(Delim::Brace)) {
            // `{}` before an index: `{}_5C_2`, `{}^5C_2`; elsewhere it is nothing.
            if matches!(self.peek(), Some(Token::Underscore | Token::Caret)) {
                return self.prescripted();
            }
            return self.deeper(Self::atom);
        }
        let (mut elements, _) = self.inside(
            |_| {},
            |p| {
                let first = p.over_or_element()?;
                if matches!(p.peek(), Some(Token::Close(Delim::Brace))) {
                    return Ok((vec![first], false));
                }
                let mut elements = vec![first];
                while p.separator() {
                    elements.push(p.element()?);
                }
                Ok((elements, false))
            },
        )?;
        self.close(Delim::Brace)?;
        if elements.len() == 1 {
            return Ok(elements.swap_remove(0));
        }
        Ok(Expr::Set(elements))
    }

    /// An element, or `a \over b`, or `n \choose k`.
    pub(super) fn over_or_element(&mut self) -> Parse<Expr> {
        let first = self.element()?;
        if self.eat(&Token::Over) {
            let under = self.element()?;
            return Ok(Expr::Div(Box::new(first), Box::new(under)));
        }
        if self.eat(&Token::Choose) {
            let k = self.element()?;
            return Ok(Expr::Call(Function::Binomial, vec![first, k]));
        }
        Ok(first)
    }

    /// `{}_nC_k` and `{}^nC_k`.
    fn prescripted(&mut self) -> Parse<Expr> {
        if !matches!(self.next(), Some(Token::Underscore | Token::Caret)) {
            return Err(Unparsed::Syntax);
        }
        let n = self.braced_or_atom()?;
        let function = match self.next() {
            Some(Token::Name(name)) if name == "C" => Function::Binomial,
            Some(Token::Name(name)) if name == "P" => Function::Permutations,
            _ => return Err(Unparsed::Syntax),
        };
        self.expect(&Token::Underscore)?;
        let k = self.braced_or_atom()?;
        Ok(Expr::Call(function, vec![n, k]))
    }

    /// `\{…\}`: elements, or a set builder.
    fn set(&mut self) -> Parse<Expr> {
        if self.eat(&Token::Close(Delim::Set)) {
            return Ok(Expr::EmptySet);
        }
        if let Some(system) = self.braced_system() {
            return Ok(system);
        }
        self.inside(
            |c| c.builder = true,
            |p| {
                let first = p.element()?;
                if matches!(p.peek(), Some(Token::Mid | Token::Bar | Token::Colon)) {
                    p.at += 1;
                    p.context.builder = false;
                    let conditions = p.conditions()?;
                    p.close(Delim::Set)?;
                    return Ok(Expr::SetBuilder(Box::new(first), conditions));
                }
                let mut elements = vec![first];
                while !p.peek().is_none_or(closes_set) {
                    if !p.separator() || p.peek().is_some_and(closes_set) {
                        return Err(Unparsed::Syntax);
                    }
                    elements.push(p.element()?);
                }
                p.close(Delim::Set)?;
                Ok(Expr::Set(elements))
            },
        )
    }

    /// `\left\{\begin{array}{l} … \end{array}\right.`: a system of equations with a brace on its
    /// left only.
    fn braced_system(&mut self) -> Option<Expr> {
        if !matches!(
            self.peek(),
            Some(Token::Begin("array" | "aligned" | "matrix"))
        ) {
            return None;
        }
        let start = self.at;
        self.at += 1;
        let system = self.deeper(Self::cases);
        match system {
            Ok(system) if self.peek() != Some(&Token::Close(Delim::Set)) => Some(system),
            _ => {
                self.at = start;
                None
            }
        }
    }

    fn conditions(&mut self) -> Parse<Vec<Expr>> {
        let mut all = vec![self.element()?];
        while !self.peek().is_none_or(closes_set) {
            if !self.separator() {
                return Err(Unparsed::Syntax);
            }
            all.push(self.element()?);
        }
        Ok(all)
    }

    /// `|x|` after the first bar.
    pub(super) fn absolute(&mut self) -> Parse<Expr> {
        let bars = self.context.bars;
        self.context.bars = bars + 1;
        let value = self.deeper(Self::set_expression);
        self.context.bars = bars;
        let value = value?;
        self.expect(&Token::Bar)?;
        Ok(Expr::Call(Function::Abs, vec![value]))
    }

    /// `\langle a, b, c \rangle`: a vector.
    fn angle(&mut self) -> Parse<Expr> {
        let (elements, _) = self.inside(
            |_| {},
            |p| p.bracketed(|t| matches!(t, Token::Close(Delim::Angle))),
        )?;
        self.close(Delim::Angle)?;
        Ok(Expr::Matrix(
            elements.into_iter().map(|e| vec![e]).collect(),
        ))
    }
}

fn interval(elements: Vec<Expr>, lo_closed: bool, hi_closed: bool, french: bool) -> Expr {
    let mut elements = elements.into_iter();
    match (elements.next(), elements.next()) {
        (Some(lo), Some(hi)) => Expr::Interval(Box::new(Interval {
            lo,
            hi,
            lo_closed,
            hi_closed,
            french,
        })),
        _ => Expr::EmptySet,
    }
}
