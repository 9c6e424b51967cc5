//! Equations, inequalities and chains of them.

use super::names::variables;
use super::shape::last_side;
use super::zero::{Contents, doubles, same_value, sample};
use super::{Context, Decision, Side};
use crate::math::Reason;
use crate::math::canon::Id;
use crate::math::number::Eval;
use crate::math::tree::{Expr, RelOp};

fn flipped(op: RelOp) -> Option<RelOp> {
    Some(match op {
        RelOp::Lt => RelOp::Gt,
        RelOp::Le => RelOp::Ge,
        RelOp::Gt => RelOp::Lt,
        RelOp::Ge => RelOp::Le,
        RelOp::Subset => RelOp::Superset,
        RelOp::Superset => RelOp::Subset,
        RelOp::Eq | RelOp::Ne | RelOp::Equiv | RelOp::Approx => op,
        RelOp::Parallel | RelOp::Perpendicular => op,
        RelOp::In | RelOp::NotIn | RelOp::Arrow | RelOp::Divides => return None,
    })
}

fn is_order(op: RelOp) -> bool {
    matches!(
        op,
        RelOp::Lt | RelOp::Le | RelOp::Gt | RelOp::Ge | RelOp::Eq | RelOp::Ne
    )
}

/// `lhs op rhs`.
type Link<'e> = (&'e Expr, RelOp, &'e Expr);

fn links<'e>(lhs: &'e Expr, rest: &'e [(RelOp, Expr)]) -> Vec<Link<'e>> {
    let mut left = lhs;
    let mut out = Vec::with_capacity(rest.len());
    for (op, right) in rest {
        out.push((left, *op, right));
        left = right;
    }
    out
}

impl Context<'_> {
    /// Whether two relations say the same: link by link, or read from the other end.
    pub(super) fn relations(&mut self, gold: &Expr, pred: &Expr) -> Decision {
        let (Expr::Relation(gl, gr), Expr::Relation(pl, pr)) = (gold, pred) else {
            return self.congruences(gold, pred);
        };
        let (g, p) = (links(gl, gr), links(pl, pr));
        if g.len() != p.len() {
            return self.same_solutions(gold, pred);
        }
        let mut forward = Vec::with_capacity(g.len());
        for (a, b) in g.iter().zip(&p) {
            forward.push(self.link(*a, *b));
        }
        let forward = Decision::all(forward);
        if g.len() == 1 || forward.is_equal() {
            return forward.or(|| self.same_solutions(gold, pred));
        }
        let mut backward = Vec::with_capacity(g.len());
        for (a, b) in g.iter().zip(p.iter().rev()) {
            backward.push(self.link(*a, *b));
        }
        forward
            .or(|| Decision::all(backward))
            .or(|| self.same_solutions(gold, pred))
    }

    /// Relations in the same one variable with the same solutions.
    fn same_solutions(&mut self, gold: &Expr, pred: &Expr) -> Decision {
        let named = |context: &Self, side, e| {
            let lowering = context.lowering(side);
            let mut names: Vec<_> = variables(e).iter().map(|n| lowering.name(n)).collect();
            names.sort();
            names.dedup();
            names
        };
        if named(self, Side::Gold, gold) != named(self, Side::Pred, pred) {
            return Decision::different(Reason::Parts);
        }
        self.line_sets(gold, pred)
    }

    fn link(&mut self, gold: Link<'_>, pred: Link<'_>) -> Decision {
        let ((gl, gop, gr), (pl, pop, pr)) = (gold, pred);
        // Side by side first: this keeps the rule for decimals, and needs no value.
        let direct = if gop == pop {
            let left = self.compare(gl, pl);
            if left.is_equal() {
                self.compare(gr, pr)
            } else {
                left
            }
        } else {
            Decision::different(Reason::Parts)
        };
        if direct.is_equal() {
            return direct;
        }
        let swapped = match flipped(gop) {
            Some(op) if op == pop => {
                let left = self.compare(gl, pr);
                if left.is_equal() {
                    self.compare(gr, pl)
                } else {
                    left
                }
            }
            _ => Decision::different(Reason::Parts),
        };
        if swapped.is_equal() || !is_order(gop) || !is_order(pop) {
            return direct.or(|| swapped);
        }
        let Ok((g, p)) = self.differences(gold, pred) else {
            return direct.or(|| swapped);
        };
        let allowed: Vec<bool> = [(true, gop), (false, flipped(gop).unwrap_or(gop))]
            .into_iter()
            .filter(|(_, op)| *op == pop)
            .map(|(positive, _)| positive)
            .collect();
        if allowed.is_empty() {
            return Decision::different(Reason::Parts);
        }
        self.proportional(g, p, &allowed)
    }

    /// `lhs - rhs` of both.
    fn differences(&mut self, gold: Link<'_>, pred: Link<'_>) -> Eval<(Id, Id)> {
        let g = (
            self.lower(Side::Gold, gold.0)?,
            self.lower(Side::Gold, gold.2)?,
        );
        let p = (
            self.lower(Side::Pred, pred.0)?,
            self.lower(Side::Pred, pred.2)?,
        );
        Ok((self.arena.sub(g.0, g.1)?, self.arena.sub(p.0, p.1)?))
    }

    /// Whether `a = c b` with a constant `c` of an allowed sign (`true` for positive).
    fn proportional(&mut self, a: Id, b: Id, allowed: &[bool]) -> Decision {
        if a == b && allowed.contains(&true) {
            return Decision::equal(Reason::SameForm);
        }
        let contents = Contents::of(&self.arena, &[a, b]);
        if !contents.free {
            return Decision::different(Reason::Parts);
        }
        let mut fuel = self.arena.fuel.clone();
        let mut sign = None;
        let mut at = None;
        // Only the values at one fixed point are needed: a(x) b(q) = a(q) b(x) for all x.
        for point in 40..48 {
            let Ok(v) = doubles(&self.arena, &[a, b], &contents, point, &mut fuel) else {
                continue;
            };
            if v[0].abs() > 8.0 * v[0].err && v[1].abs() > 8.0 * v[1].err {
                if v[0].im.abs() <= v[0].err && v[1].im.abs() <= v[1].err {
                    sign = Some((v[0].re > 0.0) == (v[1].re > 0.0));
                } else {
                    sign = Some(true);
                }
                at = Some(point);
                break;
            }
        }
        self.arena.fuel = fuel;
        let (Some(point), Some(sign)) = (at, sign) else {
            return Decision::different(Reason::NoPoint);
        };
        if !allowed.contains(&sign) {
            return Decision::different(Reason::Parts);
        }
        match self.cross(a, b, &contents, point) {
            Ok((left, right)) => same_value(&mut self.arena, left, right),
            Err(_) => Decision::unknown(Reason::Fuel),
        }
    }

    fn cross(&mut self, a: Id, b: Id, contents: &Contents, point: u64) -> Eval<(Id, Id)> {
        let (mut qa, mut qb) = (a, b);
        for v in &contents.variables {
            let value = sample(self.arena.name(*v), point, contents.whole.contains(v));
            let value = self.arena.rat(value)?;
            qa = self.arena.substitute(qa, *v, value)?;
            qb = self.arena.substitute(qb, *v, value)?;
        }
        Ok((self.arena.mul(&[a, qb])?, self.arena.mul(&[b, qa])?))
    }

    /// `a ≡ b (mod m)`: the same sides and modulus, the right sides up to the modulus.
    fn congruences(&mut self, gold: &Expr, pred: &Expr) -> Decision {
        let (Expr::Congruence(g), Expr::Congruence(p)) = (gold, pred) else {
            return match (gold, pred) {
                (Expr::Congruence(_), _) if last_side(pred).is_some() => {
                    Decision::different(Reason::Shape)
                }
                _ => self.structure(gold, pred),
            };
        };
        let rest = Decision::all([self.compare(&g[0], &p[0]), self.compare(&g[2], &p[2])]);
        if !rest.is_equal() {
            return rest;
        }
        let ids = [
            (Side::Gold, &g[1]),
            (Side::Pred, &p[1]),
            (Side::Gold, &g[2]),
        ]
        .map(|(side, e)| self.lower(side, e).ok());
        let values: Option<Vec<_>> = ids
            .into_iter()
            .map(|id| id.and_then(|id| self.arena.as_rat(id).cloned()))
            .collect();
        match values.as_deref() {
            Some([a, b, m]) => {
                let difference = self.arena.rat_sum(a, &b.neg());
                match difference.and_then(|d| self.arena.rat_quotient(&d, m)) {
                    Ok(Some(q)) if q.is_int() => Decision::equal(Reason::Exact),
                    Ok(_) => Decision::different(Reason::Exact),
                    Err(_) => Decision::unknown(Reason::Fuel),
                }
            }
            _ => self.compare(&g[1], &p[1]),
        }
    }
}
