//! A whole answer: elements separated by commas, with leading and trailing clutter.

use super::product::is_condition_word;
use super::{Parse, Parser};
use crate::math::lex::{Delim, Token};
use crate::math::parsed::Unparsed;
use crate::math::tree::{Constant, Expr, Function, NumberSet, RelOp};

impl Parser<'_, '_> {
    /// Everything up to the end of the tokens.
    pub(super) fn answer(&mut self) -> Parse<Expr> {
        self.skip_lead();
        let value = self.elements(|_| false)?;
        self.skip_remark();
        while matches!(
            self.peek(),
            Some(Token::Period | Token::Dots | Token::RowEnd)
        ) {
            self.at += 1;
        }
        if self.peek().is_some() {
            return Err(Unparsed::Syntax);
        }
        Ok(match value {
            // Alone it is the Euler–Mascheroni constant.
            Expr::Symbol(symbol) if &*symbol.0 == "gamma" => Expr::Constant(Constant::EulerGamma),
            value => value,
        })
    }

    /// `=`, `\Rightarrow`, "Answer:" at the start say nothing about the value.
    fn skip_lead(&mut self) {
        loop {
            match self.peek() {
                Some(
                    Token::Rel(RelOp::Eq | RelOp::Approx | RelOp::Arrow)
                    | Token::Therefore
                    | Token::Colon
                    | Token::Dots,
                ) => self.at += 1,
                Some(Token::Text(words)) if words.ends_with(':') => self.at += 1,
                Some(Token::Text(_)) if self.peek_at(1) == Some(&Token::Colon) => self.at += 2,
                _ => return,
            }
        }
    }

    /// Whether `(= …)` or `(\\approx …)` stands here: the value again, in another form.
    pub(super) fn starts_remark(&self) -> bool {
        matches!(self.peek(), Some(Token::Open(Delim::Paren)))
            && matches!(self.peek_at(1), Some(Token::Rel(RelOp::Eq | RelOp::Approx)))
    }

    /// Moves past a remark that ends the answer.
    fn skip_remark(&mut self) {
        let closes = matches!(
            self.tokens.last().map(|t| &t.token),
            Some(Token::Close(Delim::Paren))
        );
        if closes && self.starts_remark() {
            self.at = self.tokens.len();
        }
    }

    /// Elements up to a token that `stop` accepts, or up to one that is not a separator.
    pub(super) fn elements(&mut self, stop: impl Fn(&Token<'_>) -> bool) -> Parse<Expr> {
        let mut elements = vec![self.element()?];
        let mut conditions = Vec::new();
        let mut word = None;
        loop {
            if self.peek().is_none_or(&stop) {
                break;
            }
            if self.condition_word() {
                conditions.push(self.element()?);
            } else if let Some(joined) = self.joining_word() {
                word = joined.or(word);
                if matches!(self.peek(), Some(Token::Text(_))) && self.condition_word() {
                    conditions.push(self.element()?);
                    continue;
                }
                let element = self.element()?;
                if conditions.is_empty() {
                    elements.push(element);
                } else {
                    conditions.push(element);
                }
            } else {
                break;
            }
        }
        if conditions.is_empty() && elements.len() > 1 && elements.iter().all(is_inequality) {
            // "And" and "or" between inequalities mean what they say.
            return Ok(match word {
                Some(Joint::Or) => Expr::Or(elements),
                _ => Expr::And(elements),
            });
        }
        Ok(arrange(elements, conditions))
    }

    /// Moves past a separator, and tells which word it is or ends with, if it is one.
    fn joining_word(&mut self) -> Option<Option<Joint>> {
        let from = self.at;
        if !self.separator() {
            return None;
        }
        let said = |at: usize| {
            let start = self.tokens.get(at)?.start as usize;
            let words = self.text[start..].trim_start_matches("\\text");
            let words = words.trim_start_matches(['{', ' ', ',', '~']);
            if ["or", "Or", "OR", "或"]
                .iter()
                .any(|w| words.starts_with(w))
            {
                Some(Joint::Or)
            } else if ["and", "And", "AND", "且", "和"]
                .iter()
                .any(|w| words.starts_with(w))
            {
                Some(Joint::And)
            } else {
                None
            }
        };
        Some((from..self.at).rev().find_map(said))
    }

    /// Moves past commas, semicolons and the words between elements.
    pub(super) fn separator(&mut self) -> bool {
        let mut found = false;
        // `,` and "and" may stand together; two bare commas may not.
        while matches!(self.peek(), Some(Token::Comma | Token::Semicolon)) {
            if found && self.is_written_comma(self.at) && self.is_written_comma(self.at - 1) {
                return false;
            }
            found = true;
            self.at += 1;
        }
        found
    }

    fn is_written_comma(&self, at: usize) -> bool {
        self.tokens
            .get(at)
            .is_some_and(|t| self.text[t.start as usize..].starts_with([',', ';']))
    }

    /// Moves past `\text{for}` and the like, and a comma before it.
    fn condition_word(&mut self) -> bool {
        if let Some(Token::Text(words)) = self.peek() {
            let known = is_condition_word(words);
            if known {
                self.at += 1;
            }
            return known;
        }
        false
    }

    /// One element: a relation, set or value, or several joined by `\land` or `\lor`.
    pub(super) fn element(&mut self) -> Parse<Expr> {
        self.deeper(|p| {
            let first = p.conjunction()?;
            if p.peek() != Some(&Token::Lor) {
                return Ok(first);
            }
            let mut all = vec![first];
            while p.eat(&Token::Lor) {
                all.push(p.conjunction()?);
            }
            Ok(Expr::Or(all))
        })
    }

    fn conjunction(&mut self) -> Parse<Expr> {
        let first = self.negation()?;
        if self.peek() != Some(&Token::Land) {
            return Ok(first);
        }
        let mut all = vec![first];
        while self.eat(&Token::Land) {
            all.push(self.negation()?);
        }
        Ok(Expr::And(all))
    }

    fn negation(&mut self) -> Parse<Expr> {
        if self.eat(&Token::Lnot) {
            let inner = self.deeper(Self::negation)?;
            return Ok(Expr::Not(Box::new(inner)));
        }
        self.relation()
    }

    /// Elements between brackets up to the bracket `close` accepts, and whether a semicolon
    /// separates them.
    pub(super) fn bracketed(
        &mut self,
        close: impl Fn(&Token<'_>) -> bool,
    ) -> Parse<(Vec<Expr>, bool)> {
        let mut semicolon = false;
        let mut elements = vec![self.element()?];
        while !self.peek().is_none_or(&close) {
            semicolon |= self.peek() == Some(&Token::Semicolon);
            if !self.separator() {
                return Err(Unparsed::Syntax);
            }
            if self.peek().is_some_and(&close) {
                return Err(Unparsed::Syntax);
            }
            elements.push(self.element()?);
        }
        Ok((elements, semicolon))
    }
}

/// A word between elements.
#[derive(Clone, Copy)]
enum Joint {
    And,
    Or,
}

/// An order relation, or a chain of them.
fn is_inequality(element: &Expr) -> bool {
    let order = |op: &RelOp| matches!(op, RelOp::Lt | RelOp::Le | RelOp::Gt | RelOp::Ge);
    matches!(element, Expr::Relation(_, rest) if rest.iter().all(|(op, _)| order(op)))
}

/// A list, one element, an assignment of several values, or a value with side conditions.
fn arrange(mut elements: Vec<Expr>, mut conditions: Vec<Expr>) -> Expr {
    if elements.len() > 1 && elements.iter().any(|e| !is_condition(e)) {
        let kept = elements.len();
        elements.retain(|e| {
            let keep = !is_condition(e);
            if !keep {
                conditions.push(e.clone());
            }
            keep
        });
        debug_assert!(elements.len() <= kept);
    }
    let value = match congruences(&elements) {
        Some(list) => list,
        None => assignment_of_several(elements),
    };
    if conditions.is_empty() {
        value
    } else {
        Expr::Where(Box::new(value), conditions)
    }
}

/// `n \equiv 0, 1 \pmod 4`: one modulus for all residues.
fn congruences(elements: &[Expr]) -> Option<Expr> {
    let [
        Expr::Relation(lhs, rest),
        middle @ ..,
        Expr::Call(Function::Mod, last),
    ] = elements
    else {
        return None;
    };
    let ([(RelOp::Equiv | RelOp::Eq, first)], [residue, modulus]) =
        (rest.as_slice(), last.as_slice())
    else {
        return None;
    };
    if middle.iter().any(|e| matches!(e, Expr::Relation(..))) {
        return None;
    }
    let residues = std::iter::once(first).chain(middle).chain([residue]);
    Some(Expr::List(
        residues
            .map(|residue| {
                let parts = [(**lhs).clone(), residue.clone(), modulus.clone()];
                Expr::Congruence(Box::new(parts))
            })
            .collect(),
    ))
}

/// `k \in \mathbb{Z}`.
fn is_condition(element: &Expr) -> bool {
    let Expr::Relation(lhs, rest) = element else {
        return false;
    };
    let symbols = match &**lhs {
        Expr::Symbol(_) => true,
        Expr::List(items) => items.iter().all(|e| matches!(e, Expr::Symbol(_))),
        _ => false,
    };
    symbols
        && matches!(
            rest.as_slice(),
            [(RelOp::In, set)] if is_number_set(set)
        )
}

fn is_number_set(set: &Expr) -> bool {
    match set {
        Expr::NumberSet(
            NumberSet::Integers
            | NumberSet::Naturals
            | NumberSet::Reals
            | NumberSet::Rationals
            | NumberSet::Complexes
            | NumberSet::Primes,
        ) => true,
        Expr::Symbol(symbol) => symbol.0.contains("mathbb"),
        _ => false,
    }
}

/// `x = 1, 2`: the values after the first belong to the same assignment. `x = 1, y = 2` stays a
/// list.
fn assignment_of_several(mut elements: Vec<Expr>) -> Expr {
    if elements.len() == 1 {
        return elements.swap_remove(0);
    }
    let rest_plain = elements[1..]
        .iter()
        .all(|e| !matches!(e, Expr::Relation(..)));
    if rest_plain
        && let Expr::Relation(lhs, rest) = &elements[0]
        && matches!(rest.as_slice(), [(RelOp::Eq | RelOp::In, _)])
        && is_name(lhs)
    {
        let mut values = Vec::with_capacity(elements.len());
        let mut all = elements.into_iter();
        let Some(Expr::Relation(lhs, rest)) = all.next() else {
            return Expr::List(values);
        };
        let mut op = RelOp::Eq;
        for (each, value) in rest {
            op = each;
            values.push(value);
        }
        values.extend(all);
        return Expr::Relation(lhs, vec![(op, Expr::List(values))]);
    }
    Expr::List(elements)
}

fn is_name(lhs: &Expr) -> bool {
    match lhs {
        Expr::Symbol(_) | Expr::Apply(..) | Expr::Text(_) => true,
        Expr::Tuple(items) => items.iter().all(|e| matches!(e, Expr::Symbol(_))),
        Expr::Interval(pair) => {
            matches!((&pair.lo, &pair.hi), (Expr::Symbol(_), Expr::Symbol(_)))
        }
        _ => false,
    }
}

/// The bracket that closes a set.
pub(super) fn closes_set(token: &Token<'_>) -> bool {
    matches!(token, Token::Close(Delim::Set))
}
