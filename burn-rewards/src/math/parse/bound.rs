//! Operators with a bound variable: sums, products, integrals, limits, derivatives.

use super::{Parse, Parser};
use crate::math::lex::{Delim, Token};
use crate::math::parsed::Unparsed;
use crate::math::tree::{BigOp, Bound, Expr, RelOp, Symbol};

impl Parser<'_, '_> {
    /// What follows `\sum`, `\prod`, `\int` or `\lim`.
    pub(super) fn big_operator(&mut self, op: BigOp) -> Parse<Expr> {
        match op {
            BigOp::Integral => self.integral(),
            BigOp::Limit => self.limit(),
            _ => self.series(op),
        }
    }

    /// `\sum_{k=1}^{n} body`; the body is the product that follows.
    fn series(&mut self, op: BigOp) -> Parse<Expr> {
        let (mut range, mut hi) = (None, None);
        for _ in 0..2 {
            if self.eat(&Token::Underscore) {
                range = Some(self.range()?);
            } else if self.eat(&Token::Caret) {
                hi = Some(self.braced_or_atom()?);
            }
        }
        let (var, lo) = range.ok_or(Unparsed::Syntax)?;
        let hi = hi.ok_or(Unparsed::Syntax)?;
        self.bound.push(var.clone());
        let body = self.product();
        self.bound.pop();
        Ok(bound(op, var, Some(lo), Some(hi), body?))
    }

    /// `{k=1}`.
    fn range(&mut self) -> Parse<(Symbol, Expr)> {
        if !self.open(Delim::Brace) {
            return Err(Unparsed::Syntax);
        }
        let var = self.variable()?;
        self.expect(&Token::Rel(RelOp::Eq))?;
        let lo = self.inside(|_| {}, Self::set_expression)?;
        self.close(Delim::Brace)?;
        Ok((var, lo))
    }

    fn variable(&mut self) -> Parse<Symbol> {
        match self.next() {
            Some(Token::Name(name)) => self.subscripted(name.to_string()).map(Symbol),
            _ => Err(Unparsed::Syntax),
        }
    }

    /// `\int_{lo}^{hi} body dx`.
    fn integral(&mut self) -> Parse<Expr> {
        let (mut lo, mut hi) = (None, None);
        for _ in 0..2 {
            if self.eat(&Token::Underscore) {
                lo = Some(self.braced_or_atom()?);
            } else if self.eat(&Token::Caret) {
                hi = Some(self.braced_or_atom()?);
            }
        }
        if lo.is_some() != hi.is_some() {
            return Err(Unparsed::Syntax);
        }
        let outer = self.context;
        let outer_differential = self.differential.take();
        self.context.integral = true;
        self.context.ends_at_differential = true;
        self.context.argument = false;
        let body = self.deeper(Self::sum);
        self.context = outer;
        let var = std::mem::replace(&mut self.differential, outer_differential);
        let var = var.ok_or(Unparsed::Syntax)?;
        Ok(bound(BigOp::Integral, var, lo, hi, body?))
    }

    /// Whether the differential of the integral around the position has been read.
    pub(super) fn integral_ends(&self) -> bool {
        self.context.ends_at_differential && self.differential.is_some()
    }

    /// `dx` inside an integral, after its `d`: a factor of one.
    pub(super) fn read_differential(&mut self) -> Option<Expr> {
        if !self.context.integral || self.differential.is_some() {
            return None;
        }
        if !matches!(self.peek(), Some(Token::Name(_))) {
            return None;
        }
        self.differential = self.variable().ok();
        Some(Expr::int(1))
    }

    /// `\lim_{x \to a} body`.
    fn limit(&mut self) -> Parse<Expr> {
        self.expect(&Token::Underscore)?;
        if !self.open(Delim::Brace) {
            return Err(Unparsed::Syntax);
        }
        let var = self.variable()?;
        if !matches!(
            self.next(),
            Some(Token::Rel(RelOp::Arrow) | Token::Therefore)
        ) {
            return Err(Unparsed::Syntax);
        }
        self.limit_side = Some(BigOp::Limit);
        let point = self.inside(|_| {}, Self::set_expression);
        let op = self.limit_side.take().unwrap_or(BigOp::Limit);
        let point = point?;
        self.close(Delim::Brace)?;
        let body = self.product()?;
        Ok(bound(op, var, Some(point), None, body))
    }

    /// `\frac{d}{dx} body`, `\frac{d^2}{dx^2} body`, after `\frac`. `None` for other fractions.
    pub(super) fn derivative(&mut self) -> Option<Parse<Expr>> {
        let brace = Some(&Token::Open(Delim::Brace));
        let closed = Some(&Token::Close(Delim::Brace));
        let is_d = |token: Option<&Token<'_>>| match token {
            Some(Token::Name(name)) => name == "d",
            Some(Token::Partial) => true,
            _ => false,
        };
        if self.peek() != brace || !is_d(self.peek_at(1)) {
            return None;
        }
        let (order, len) = self.order(2)?;
        let mut at = 2 + len;
        if self.peek_at(at) != closed
            || self.peek_at(at + 1) != brace
            || !is_d(self.peek_at(at + 2))
        {
            return None;
        }
        let Some(Token::Name(name)) = self.peek_at(at + 3) else {
            return None;
        };
        let (repeated, len) = self.order(at + 4)?;
        at += 4 + len;
        if repeated != order || self.peek_at(at) != closed {
            return None;
        }
        let var = Symbol(name.to_string().into());
        self.at += at + 1;
        let body = match self.product() {
            Ok(body) => body,
            Err(error) => return Some(Err(error)),
        };
        let order = (order != 1).then(|| Expr::int(order));
        Some(Ok(bound(BigOp::Derivative, var, None, order, body)))
    }

    /// `^2` at `offset`: the order and the tokens it takes.
    fn order(&self, offset: usize) -> Option<(i64, usize)> {
        if self.peek_at(offset) != Some(&Token::Caret) {
            return Some((1, 0));
        }
        let braced = usize::from(self.peek_at(offset + 1) == Some(&Token::Open(Delim::Brace)));
        match self.peek_at(offset + 1 + braced)? {
            Token::Number(number) if !number.decimal => {
                let order = i64::try_from(&number.mantissa).ok()?;
                Some((order, 2 + 2 * braced))
            }
            _ => None,
        }
    }
}

fn bound(op: BigOp, var: Symbol, lo: Option<Expr>, hi: Option<Expr>, body: Expr) -> Expr {
    Expr::Bound(Box::new(Bound {
        op,
        var,
        lo,
        hi,
        body,
    }))
}
