//! What kind of answer an expression is, and the rewriting of answers that are written in one form
//! and meant in another.

use std::borrow::Cow;

use super::names::{any, only_symbols, replaced};
use crate::math::tree::{Expr, RelOp};

/// The answer with `±` written out, memberships as equations and conjunctions as lists.
pub(super) fn normal(expr: &Expr) -> Cow<'_, Expr> {
    let has_sign = |e: &Expr| matches!(e, Expr::PlusMinus(_) | Expr::MinusPlus(_));
    if any(expr, &has_sign) {
        return Cow::Owned(match expr {
            Expr::List(parts) | Expr::Set(parts) => {
                let mut out = Vec::with_capacity(parts.len() + 1);
                for p in parts {
                    if any(p, &has_sign) {
                        out.push(signed(p, true));
                        out.push(signed(p, false));
                    } else {
                        out.push(p.clone());
                    }
                }
                Expr::List(out)
            }
            Expr::Relation(lhs, rest) if has_list(rest) && !any(lhs, &has_sign) => {
                let (upper, lower) = (signed(expr, true), signed(expr, false));
                let mut out = Vec::new();
                for e in [upper, lower] {
                    match normal(&e).into_owned() {
                        Expr::List(parts) => out.extend(parts),
                        other => out.push(other),
                    }
                }
                Expr::List(out)
            }
            _ => Expr::List(vec![signed(expr, true), signed(expr, false)]),
        });
    }
    match expr {
        Expr::Or(p) | Expr::And(p) => Cow::Owned(Expr::List(p.clone())),
        Expr::Tuple(p) | Expr::List(p) if p.len() == 1 => normal(&p[0]),
        Expr::Relation(lhs, rest) => match &rest[..] {
            [(RelOp::Eq | RelOp::In, Expr::List(values) | Expr::Set(values))]
                if only_symbols(lhs) && !matches!(**lhs, Expr::List(_) | Expr::Set(_)) =>
            {
                let each = |v: &Expr| Expr::Relation(lhs.clone(), vec![(RelOp::Eq, v.clone())]);
                Cow::Owned(Expr::List(values.iter().map(each).collect()))
            }
            [(RelOp::In | RelOp::Equiv, rhs)] => {
                Cow::Owned(Expr::Relation(lhs.clone(), vec![(RelOp::Eq, rhs.clone())]))
            }
            // An approximation names a value: the written one, or that of the name before it.
            [(RelOp::Approx, rhs)] => {
                if only_symbols(lhs) {
                    Cow::Borrowed(rhs)
                } else {
                    Cow::Borrowed(lhs)
                }
            }
            _ => Cow::Borrowed(expr),
        },
        _ => Cow::Borrowed(expr),
    }
}

fn has_list(rest: &[(RelOp, Expr)]) -> bool {
    rest.iter()
        .any(|(_, e)| matches!(e, Expr::List(_) | Expr::Set(_)))
}

/// `expr` with the upper or the lower sign of every `±`.
fn signed(expr: &Expr, upper: bool) -> Expr {
    replaced(expr, &|e| match e {
        Expr::PlusMinus(x) if upper => Some(signed(x, upper)),
        Expr::PlusMinus(x) => Some(signed(x, upper).negated()),
        Expr::MinusPlus(x) if upper => Some(signed(x, upper).negated()),
        Expr::MinusPlus(x) => Some(signed(x, upper)),
        _ => None,
    })
}

/// An equation or a chain of equations.
pub(super) fn is_equation(expr: &Expr) -> bool {
    matches!(expr, Expr::Relation(_, rest) if rest.iter().all(|(op, _)| *op == RelOp::Eq))
}

/// A chain of equations that starts with names alone.
pub(super) fn is_assignment(expr: &Expr) -> bool {
    matches!(expr, Expr::Relation(lhs, _) if is_equation(expr) && only_symbols(lhs))
}

/// An order relation or equation, or a chain of them.
pub(super) fn is_relation(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Relation(..) | Expr::Congruence(_) | Expr::Not(_)
    )
}

/// The right-hand side of the last relation.
pub(super) fn last_side(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::Relation(_, rest) => rest.last().map(|(_, e)| e),
        _ => None,
    }
}

/// `x = a = b` as `x = b`.
pub(super) fn collapsed(expr: &Expr) -> Cow<'_, Expr> {
    match expr {
        Expr::Relation(lhs, rest) if rest.len() > 1 => match rest.last() {
            Some(last) => Cow::Owned(Expr::Relation(lhs.clone(), vec![last.clone()])),
            None => Cow::Borrowed(expr),
        },
        _ => Cow::Borrowed(expr),
    }
}

/// Anything with elements or points.
pub(super) fn is_set(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Set(_)
            | Expr::List(_)
            | Expr::Tuple(_)
            | Expr::Interval(_)
            | Expr::Union(_)
            | Expr::Intersection(_)
            | Expr::Difference(..)
            | Expr::Cartesian(_)
            | Expr::EmptySet
            | Expr::NumberSet(_)
            | Expr::SetBuilder(..)
    )
}
