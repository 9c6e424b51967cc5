//! The question again, in place of its answer: `2x > 6` where `x > 3` is asked for.

use super::names::variables;
use crate::math::tree::{Expr, RelOp};

/// Whether `gold` is solved for its variable and `pred` leaves that to be done.
pub(super) fn echoes(gold: &Expr, pred: &Expr) -> bool {
    is_solved(gold) && is_order_chain(pred) && !is_solved(pred)
}

/// Whether `expr` is a relation, or a chain of them, solved for its one variable: one side is the
/// variable, the others are free of it.
fn is_solved(expr: &Expr) -> bool {
    let Expr::Relation(first, rest) = expr else {
        return false;
    };
    let sides = || std::iter::once(&**first).chain(rest.iter().map(|(_, e)| e));
    let alone = |e: &Expr| matches!(e, Expr::Symbol(_));
    is_order_chain(expr)
        && variables(expr).len() == 1
        && sides().filter(|e| alone(e)).count() == 1
        && sides().all(|e| alone(e) || variables(e).is_empty())
}

fn is_order_chain(expr: &Expr) -> bool {
    let order = |op: &RelOp| {
        matches!(
            op,
            RelOp::Lt | RelOp::Le | RelOp::Gt | RelOp::Ge | RelOp::Eq | RelOp::Ne
        )
    };
    matches!(expr, Expr::Relation(_, rest) if rest.iter().all(|(op, _)| order(op)))
}
