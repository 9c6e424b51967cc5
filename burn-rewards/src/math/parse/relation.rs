//! Relations, their chains, and the set operations they bind looser than.

use super::{Parse, Parser};
use crate::math::lex::Token;
use crate::math::parsed::Unparsed;
use crate::math::tree::{Expr, Function, RelOp};

impl Parser<'_, '_> {
    /// `first op next op next …`, or a single expression.
    pub(super) fn relation(&mut self) -> Parse<Expr> {
        let lhs = match self.declared_function() {
            Some(call) => call?,
            None => self.set_expression()?,
        };
        let mut rest = Vec::new();
        while let Some(op) = self.relation_operator() {
            let rhs = self.set_expression()?;
            let modulus = self.modulus()?;
            if let Some(modulus) = modulus {
                return congruence(lhs, op, rhs, modulus, rest.is_empty());
            }
            rest.push((op, rhs));
        }
        if rest.is_empty() {
            return match self.modulus()? {
                Some(modulus) => Ok(Expr::Call(Function::Mod, vec![lhs, modulus])),
                None => Ok(lhs),
            };
        }
        if let [(RelOp::Equiv, Expr::Call(Function::Mod, args))] = rest.as_slice()
            && let [rhs, modulus] = args.as_slice()
        {
            let parts = [lhs, rhs.clone(), modulus.clone()];
            return Ok(Expr::Congruence(Box::new(parts)));
        }
        Ok(without_approximations(lhs, rest))
    }

    fn relation_operator(&mut self) -> Option<RelOp> {
        // An alignment mark may stand on either side of the sign.
        let skipped = usize::from(self.peek() == Some(&Token::Ampersand));
        let op = match self.peek_at(skipped)? {
            Token::Rel(op) => *op,
            Token::Mid | Token::Bar if !self.context.builder && self.context.bars == 0 => {
                RelOp::Divides
            }
            Token::Therefore => RelOp::Arrow,
            _ => return None,
        };
        // A sign with nothing after it belongs to nobody.
        self.at += skipped + 1;
        self.eat(&Token::Ampersand);
        Some(op)
    }

    /// `\pmod{n}`, also in parentheses: `(\bmod n)`.
    fn modulus(&mut self) -> Parse<Option<Expr>> {
        if self.eat(&Token::Pmod) {
            return self.deeper(Self::factor).map(Some);
        }
        if matches!(self.peek(), Some(Token::Open(_))) && self.peek_at(1) == Some(&Token::Mod) {
            self.at += 2;
            let modulus = self.set_expression()?;
            return match self.next() {
                Some(Token::Close(_)) => Ok(Some(modulus)),
                _ => Err(Unparsed::Syntax),
            };
        }
        Ok(None)
    }

    /// Set difference, union and intersection, loosest first.
    pub(super) fn set_expression(&mut self) -> Parse<Expr> {
        self.deeper(|p| {
            let mut set = p.union()?;
            while p.eat(&Token::SetMinus) {
                p.nest()?;
                set = Expr::Difference(Box::new(set), Box::new(p.union()?));
            }
            Ok(set)
        })
    }

    fn union(&mut self) -> Parse<Expr> {
        let first = self.intersection()?;
        if self.peek() != Some(&Token::Cup) {
            return Ok(first);
        }
        let mut sets = vec![first];
        while self.eat(&Token::Cup) {
            sets.push(self.intersection()?);
        }
        Ok(Expr::Union(sets))
    }

    fn intersection(&mut self) -> Parse<Expr> {
        let first = self.sum()?;
        if self.peek() != Some(&Token::Cap) {
            return Ok(first);
        }
        let mut sets = vec![first];
        while self.eat(&Token::Cap) {
            sets.push(self.sum()?);
        }
        Ok(Expr::Intersection(sets))
    }
}

fn congruence(lhs: Expr, op: RelOp, rhs: Expr, modulus: Expr, single: bool) -> Parse<Expr> {
    if single && matches!(op, RelOp::Equiv | RelOp::Eq) {
        Ok(Expr::Congruence(Box::new([lhs, rhs, modulus])))
    } else {
        Err(Unparsed::Syntax)
    }
}

/// What is said to be approximately something is that, not its approximation; only a name takes
/// the approximate value.
fn without_approximations(lhs: Expr, mut rest: Vec<(RelOp, Expr)>) -> Expr {
    if let Some(at) = rest.iter().position(|(op, _)| *op == RelOp::Approx) {
        let named = at == 0 && matches!(lhs, Expr::Symbol(_) | Expr::Text(_) | Expr::Apply(..));
        if named {
            rest[0].0 = RelOp::Eq;
            rest.truncate(1);
        } else {
            rest.truncate(at);
        }
    }
    if rest.is_empty() {
        lhs
    } else {
        Expr::Relation(Box::new(lhs), rest)
    }
}
