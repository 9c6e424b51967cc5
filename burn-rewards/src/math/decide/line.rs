//! Sets of real numbers: intervals, unions, and the solutions of inequalities in one variable.

use super::zero::{real, same_value};
use super::{Context, Decision, Side, names};
use crate::math::canon::{Id, NameId, Node};
use crate::math::tree::{Expr, Function, NumberSet, RelOp};
use crate::math::{Reason, Verdict};

/// Pieces of a set.
const MAX_PIECES: usize = 64;

/// Ends closer than this, relatively, are one point when sets are combined.
const TOUCHING: f64 = 1e-11;

#[derive(Debug, Clone, Copy)]
struct End {
    at: f64,
    /// The exact end, `None` at infinity.
    exact: Option<Id>,
    closed: bool,
}

/// From one end to the other; a single point has equal closed ends.
#[derive(Debug, Clone, Copy)]
struct Piece {
    lo: End,
    hi: End,
}

type Pieces = Vec<Piece>;

const BELOW: End = End {
    at: f64::NEG_INFINITY,
    exact: None,
    closed: false,
};
const ABOVE: End = End {
    at: f64::INFINITY,
    exact: None,
    closed: false,
};

fn same_place(a: f64, b: f64) -> bool {
    let close = (a - b).abs() <= TOUCHING * (1.0 + a.abs().max(b.abs()));
    a == b || (a.is_finite() && b.is_finite() && close)
}

fn before(a: f64, b: f64) -> bool {
    a < b && !same_place(a, b)
}

impl Piece {
    fn is_empty(&self) -> bool {
        before(self.hi.at, self.lo.at)
            || same_place(self.lo.at, self.hi.at) && !(self.lo.closed && self.hi.closed)
    }
}

fn united(mut pieces: Pieces) -> Pieces {
    pieces.retain(|p| !p.is_empty());
    let start = |p: &Piece| (p.lo.at, !p.lo.closed);
    pieces.sort_by(|a, b| {
        let (x, y) = (start(a), start(b));
        x.0.total_cmp(&y.0).then(x.1.cmp(&y.1))
    });
    let mut out: Pieces = Vec::with_capacity(pieces.len());
    for p in pieces {
        match out.last_mut() {
            Some(last)
                if before(p.lo.at, last.hi.at)
                    || same_place(p.lo.at, last.hi.at) && (p.lo.closed || last.hi.closed) =>
            {
                if same_place(p.hi.at, last.hi.at) {
                    last.hi.closed |= p.hi.closed;
                } else if p.hi.at > last.hi.at {
                    last.hi = p.hi;
                }
                if same_place(p.lo.at, last.lo.at) {
                    last.lo.closed |= p.lo.closed;
                }
            }
            _ => out.push(p),
        }
    }
    out
}

fn shared(a: &Pieces, b: &Pieces) -> Pieces {
    let mut out = Vec::new();
    for x in a {
        for y in b {
            let lo = match (same_place(x.lo.at, y.lo.at), x.lo.at > y.lo.at) {
                (true, _) => End {
                    closed: x.lo.closed && y.lo.closed,
                    ..x.lo
                },
                (_, true) => x.lo,
                _ => y.lo,
            };
            let hi = match (same_place(x.hi.at, y.hi.at), x.hi.at < y.hi.at) {
                (true, _) => End {
                    closed: x.hi.closed && y.hi.closed,
                    ..x.hi
                },
                (_, true) => x.hi,
                _ => y.hi,
            };
            out.push(Piece { lo, hi });
        }
    }
    united(out)
}

fn outside(a: &Pieces) -> Pieces {
    let mut out = Vec::with_capacity(a.len() + 1);
    let mut from = BELOW;
    for p in a {
        if p.lo.at > f64::NEG_INFINITY {
            out.push(Piece {
                lo: from,
                hi: End {
                    closed: !p.lo.closed,
                    ..p.lo
                },
            });
        }
        from = End {
            closed: !p.hi.closed,
            ..p.hi
        };
    }
    if from.at < f64::INFINITY {
        out.push(Piece {
            lo: from,
            hi: ABOVE,
        });
    }
    united(out)
}

impl Context<'_> {
    /// Compares two sets of reals, either of which may be given by a relation.
    pub(super) fn line_sets(&mut self, gold: &Expr, pred: &Expr) -> Decision {
        let (Some(g), Some(p)) = (self.pieces(Side::Gold, gold), self.pieces(Side::Pred, pred))
        else {
            return Decision::different(Reason::Shape);
        };
        if g.len() != p.len() {
            return Decision::different(Reason::Parts);
        }
        let mut unknown = None;
        for (a, b) in g.iter().zip(&p) {
            for (x, y) in [(a.lo, b.lo), (a.hi, b.hi)] {
                let same = match (x.exact, y.exact) {
                    _ if x.closed != y.closed => Decision::different(Reason::Parts),
                    (Some(x), Some(y)) => same_value(&mut self.arena, x, y),
                    (None, None) if x.at == y.at => Decision::equal(Reason::Parts),
                    _ => Decision::different(Reason::Parts),
                };
                match same.verdict {
                    Verdict::Equal => {}
                    Verdict::Unknown => unknown = Some(same),
                    _ => return Decision::different(Reason::Parts),
                }
            }
        }
        unknown.unwrap_or(Decision::equal(Reason::Parts))
    }

    fn pieces(&mut self, side: Side, expr: &Expr) -> Option<Pieces> {
        let out = match expr {
            Expr::EmptySet => Vec::new(),
            Expr::NumberSet(NumberSet::Reals) => vec![Piece {
                lo: BELOW,
                hi: ABOVE,
            }],
            Expr::Interval(i) => {
                let lo = self.end(side, &i.lo, i.lo_closed)?;
                let hi = self.end(side, &i.hi, i.hi_closed)?;
                if hi.at < lo.at {
                    return None;
                }
                vec![Piece { lo, hi }]
            }
            Expr::Set(items) => {
                let mut out = Vec::with_capacity(items.len());
                for e in items {
                    let at = self.end(side, e, true)?;
                    out.push(Piece { lo: at, hi: at });
                }
                out
            }
            Expr::Union(parts) | Expr::Or(parts) => {
                let mut out = Vec::new();
                for p in parts {
                    out.extend(self.pieces(side, p)?);
                }
                out
            }
            Expr::Intersection(parts) | Expr::And(parts) => {
                let mut out = vec![Piece {
                    lo: BELOW,
                    hi: ABOVE,
                }];
                for p in parts {
                    out = shared(&out, &self.pieces(side, p)?);
                }
                out
            }
            Expr::Difference(a, b) => {
                let (a, b) = (self.pieces(side, a)?, self.pieces(side, b)?);
                shared(&a, &outside(&united(b)))
            }
            Expr::SetBuilder(element, conditions) => self.builder(side, element, conditions)?,
            Expr::Relation(lhs, rest) => self.solutions(side, lhs, rest)?,
            _ => return None,
        };
        (out.len() <= MAX_PIECES).then(|| united(out))
    }

    fn end(&mut self, side: Side, expr: &Expr, closed: bool) -> Option<End> {
        let id = self.lower(side, expr).ok()?;
        let at = real(&mut self.arena, id)?;
        let exact = at.is_finite().then_some(id);
        Some(End {
            at,
            exact,
            closed: closed && exact.is_some(),
        })
    }

    /// `{x | conditions}` and `{x ∈ S | conditions}`.
    fn builder(&mut self, side: Side, element: &Expr, conditions: &[Expr]) -> Option<Pieces> {
        let mut out = match element {
            Expr::Symbol(_) => vec![Piece {
                lo: BELOW,
                hi: ABOVE,
            }],
            Expr::Relation(lhs, rest) => match (&**lhs, &rest[..]) {
                (Expr::Symbol(_), [(RelOp::In, set)]) => self.pieces(side, set)?,
                _ => return None,
            },
            _ => return None,
        };
        for c in conditions {
            out = shared(&out, &self.pieces(side, c)?);
        }
        Some(out)
    }

    /// The solutions of a chain of relations in one variable, linear or quadratic.
    fn solutions(&mut self, side: Side, lhs: &Expr, rest: &[(RelOp, Expr)]) -> Option<Pieces> {
        if let ([(op @ (RelOp::In | RelOp::NotIn), set)], Expr::Symbol(_)) = (rest, lhs) {
            let set = self.pieces(side, set)?;
            return Some(if *op == RelOp::In { set } else { outside(&set) });
        }
        // `0 < f(x) < 1` bounds `f(x)`.
        let plain = |e: &Expr| {
            names::replaced(e, &|e| match e {
                Expr::Apply(f, _) => Some(Expr::Symbol(f.clone())),
                _ => None,
            })
        };
        let lhs = &plain(lhs);
        let rest: &Vec<(RelOp, Expr)> = &rest.iter().map(|(op, e)| (*op, plain(e))).collect();
        let mut variables = names::variables(lhs);
        for (_, e) in rest {
            variables.extend(names::variables(e));
        }
        let lowering = self.lowering(side);
        let mut named: Vec<String> = variables.into_iter().map(|v| lowering.name(v)).collect();
        named.sort();
        named.dedup();
        let [variable] = &named[..] else { return None };
        let variable = self.arena.name_id(variable);
        let mut out = vec![Piece {
            lo: BELOW,
            hi: ABOVE,
        }];
        let mut left = lhs;
        for (op, right) in rest {
            let signs = crate::math::canon::lower::signs(*op)?;
            let l = self.lower(side, left).ok()?;
            let r = self.lower(side, right).ok()?;
            let set = match (self.arena.as_infinity(l), self.arena.as_infinity(r)) {
                // `-∞ < x` says nothing.
                (Some(s), None) if signs[(s + 1) as usize] && s != 0 => {
                    vec![Piece {
                        lo: BELOW,
                        hi: ABOVE,
                    }]
                }
                (None, Some(s)) if signs[(1 - s) as usize] => vec![Piece {
                    lo: BELOW,
                    hi: ABOVE,
                }],
                (None, None) => {
                    let difference = match self.without_abs(l, r) {
                        Some(squares) => squares,
                        None => self.arena.sub(l, r).ok()?,
                    };
                    self.where_signed(difference, variable, signs)?
                }
                _ => return None,
            };
            out = shared(&out, &set);
            left = right;
        }
        Some(out)
    }

    /// `|u| - c` and `c - |u|` with a positive constant `c` have the sign of `u² - c²` and its
    /// negation.
    fn without_abs(&mut self, l: Id, r: Id) -> Option<Id> {
        let inner = |arena: &crate::math::canon::Arena, id| match arena.node(id) {
            Node::Call(Function::Abs, args) => Some(args[0]),
            _ => None,
        };
        let (u, c, negated) = match (inner(&self.arena, l), inner(&self.arena, r)) {
            (Some(u), None) => (u, r, false),
            (None, Some(u)) => (u, l, true),
            _ => return None,
        };
        if real(&mut self.arena, c)? <= 0.0 {
            return None;
        }
        let (u2, c2) = (self.arena.mul(&[u, u]).ok()?, self.arena.mul(&[c, c]).ok()?);
        if negated {
            self.arena.sub(c2, u2).ok()
        } else {
            self.arena.sub(u2, c2).ok()
        }
    }

    /// Where a linear or quadratic form has one of the wanted signs.
    fn where_signed(&mut self, form: Id, x: NameId, signs: [bool; 3]) -> Option<Pieces> {
        let zero = self.arena.int(0).ok()?;
        let slope = self.arena.derivative(form, x).ok()??;
        let curve = self.arena.derivative(slope, x).ok()??;
        let a = real(&mut self.arena, curve)? / 2.0;
        let c = self.arena.substitute(form, x, zero).ok()?;
        let b = self.arena.substitute(slope, x, zero).ok()?;
        let bv = real(&mut self.arena, b)?;
        let cv = real(&mut self.arena, c)?;
        let roots: Vec<Id> = if a == 0.0 {
            if bv == 0.0 {
                let index = if cv > 0.0 { 2 } else { usize::from(cv == 0.0) };
                let whole = vec![Piece {
                    lo: BELOW,
                    hi: ABOVE,
                }];
                return Some(if signs[index] { whole } else { Vec::new() });
            }
            let quotient = self.arena.div(c, b).ok()?;
            vec![self.arena.neg(quotient).ok()?]
        } else {
            let (square, four) = (self.arena.mul(&[b, b]).ok()?, self.arena.int(-2).ok()?);
            let product = self.arena.mul(&[four, curve, c]).ok()?;
            let discriminant = self.arena.add(&[square, product]).ok()?;
            let d = real(&mut self.arena, discriminant)?;
            if d < 0.0 {
                Vec::new()
            } else {
                let root = self.arena.sqrt(discriminant).ok()?;
                let minus_b = self.arena.neg(b).ok()?;
                let (up, down) = (
                    self.arena.add(&[minus_b, root]).ok()?,
                    self.arena.sub(minus_b, root).ok()?,
                );
                let (up, down) = (
                    self.arena.div(up, curve).ok()?,
                    self.arena.div(down, curve).ok()?,
                );
                if d == 0.0 {
                    vec![up]
                } else if a > 0.0 {
                    vec![down, up]
                } else {
                    vec![up, down]
                }
            }
        };
        let ends: Vec<End> = roots
            .into_iter()
            .map(|id| {
                Some(End {
                    at: real(&mut self.arena, id)?,
                    exact: Some(id),
                    closed: true,
                })
            })
            .collect::<Option<_>>()?;
        // The sign left of all roots, then changing at each single root.
        let left = if a != 0.0 { a.signum() } else { -bv.signum() };
        let touches = a != 0.0 && ends.len() == 1;
        let mut out = Vec::new();
        let mut sign = left;
        let mut from = BELOW;
        for e in &ends {
            let open = End {
                closed: false,
                ..*e
            };
            if signs[(sign + 1.0) as usize] {
                out.push(Piece { lo: from, hi: open });
            }
            if signs[1] {
                out.push(Piece { lo: *e, hi: *e });
            }
            from = open;
            if !touches {
                sign = -sign;
            }
        }
        if signs[(sign + 1.0) as usize] {
            out.push(Piece {
                lo: from,
                hi: ABOVE,
            });
        }
        Some(united(out))
    }
}
