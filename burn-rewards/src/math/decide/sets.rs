//! Lists, sets, points and intervals.

use super::shape::is_assignment;
use super::zero::real;
use super::{Context, Decision, Side};
use crate::math::tree::{Expr, Interval};
use crate::math::{Reason, Verdict};

/// Elements beyond this are not compared.
const MAX_ELEMENTS: usize = 4_096;

/// Pairs of elements that may be tried in an unordered comparison.
const MAX_PAIRS: usize = 4_096;

/// The elements of a finite collection, and whether their order counts.
struct Elements<'e> {
    items: Vec<&'e Expr>,
    ordered: bool,
}

fn elements(expr: &Expr) -> Option<Elements<'_>> {
    match expr {
        Expr::Set(p) | Expr::List(p) => Some(Elements {
            items: p.iter().collect(),
            ordered: false,
        }),
        Expr::Tuple(p) => Some(Elements {
            items: p.iter().collect(),
            ordered: true,
        }),
        Expr::EmptySet => Some(Elements {
            items: Vec::new(),
            ordered: false,
        }),
        Expr::Interval(_)
        | Expr::Union(_)
        | Expr::Intersection(_)
        | Expr::Difference(..)
        | Expr::Cartesian(_)
        | Expr::NumberSet(_)
        | Expr::SetBuilder(..) => None,
        _ => Some(Elements {
            items: vec![expr],
            ordered: false,
        }),
    }
}

impl Context<'_> {
    /// Whether two collections, of which one may be a single value, are equal.
    pub(super) fn sets(&mut self, gold: &Expr, pred: &Expr) -> Decision {
        match (gold, pred) {
            (Expr::Interval(g), Expr::Interval(p)) => return self.intervals(g, p),
            // A set has no first element.
            (Expr::Interval(_) | Expr::Tuple(_), Expr::Set(p)) if self.bare && p.len() > 1 => {
                return match self.line_sets(gold, pred) {
                    d if d.is_equal() => d,
                    _ => Decision::different(Reason::Shape),
                };
            }
            (Expr::Interval(g), _) if elements(pred).is_some() => {
                return match (self.point(Side::Gold, g), elements(pred)) {
                    (Some(g), Some(p)) => self.finite(g, p),
                    _ => Decision::different(Reason::Shape),
                };
            }
            (_, Expr::Interval(p)) if elements(gold).is_some() => {
                return match (elements(gold), self.point(Side::Pred, p)) {
                    (Some(g), Some(p)) => self.finite(g, p),
                    _ => Decision::different(Reason::Shape),
                };
            }
            _ => {}
        }
        match (elements(gold), elements(pred)) {
            (Some(g), Some(p)) => self.finite(g, p),
            _ => self.line_sets(gold, pred).or(|| self.structure(gold, pred)),
        }
    }

    /// Whether two values between brackets can be the coordinates of a point: round brackets, or
    /// an interval that would be empty.
    fn point<'e>(&mut self, side: Side, i: &'e Interval) -> Option<Elements<'e>> {
        let open = !i.lo_closed && !i.hi_closed && !i.french;
        (open || self.is_empty_interval(side, i)).then(|| Elements {
            items: vec![&i.lo, &i.hi],
            ordered: true,
        })
    }

    fn is_empty_interval(&mut self, side: Side, i: &Interval) -> bool {
        if i.french {
            return false;
        }
        let ends = [&i.lo, &i.hi].map(|e| match self.lower(side, e) {
            Ok(id) => real(&mut self.arena, id),
            Err(_) => None,
        });
        matches!(ends, [Some(lo), Some(hi)] if lo >= hi)
    }

    fn intervals(&mut self, g: &Interval, p: &Interval) -> Decision {
        let ends = self.pairwise(&[(&g.lo, &p.lo), (&g.hi, &p.hi)]);
        if ends.verdict == Verdict::Different {
            return ends;
        }
        let flags = (g.lo_closed, g.hi_closed) == (p.lo_closed, p.hi_closed);
        // Of points the brackets do not matter; equal ends make both one or neither.
        if flags || self.is_empty_interval(Side::Gold, g) && self.is_empty_interval(Side::Pred, p) {
            ends
        } else {
            Decision::different(Reason::Parts)
        }
    }

    /// A gold tuple has an order, whatever brackets the answer uses; a gold set has none.
    fn finite(&mut self, gold: Elements<'_>, pred: Elements<'_>) -> Decision {
        if gold.items.len().max(pred.items.len()) > MAX_ELEMENTS {
            return Decision::unknown(Reason::Limit);
        }
        if gold.ordered {
            if gold.items.len() != pred.items.len() {
                return Decision::different(Reason::Shape);
            }
            let pairs: Vec<_> = gold.items.into_iter().zip(pred.items).collect();
            return self.pairwise(&pairs);
        }
        if let Some(decided) = self.solution_points(&gold.items, &pred.items) {
            return decided;
        }
        if names_differ(&gold.items) && is_nameless(&pred.items) {
            // Values without names stand in the order of the names.
            if gold.items.len() != pred.items.len() {
                return Decision::different(Reason::Shape);
            }
            let pairs: Vec<_> = gold.items.into_iter().zip(pred.items).collect();
            return self.pairwise(&pairs);
        }
        // Elements may repeat, coordinates do not: (1, 1) is no {1}.
        if pred.ordered && pred.items.len() > gold.items.len() {
            return Decision::different(Reason::Shape);
        }
        self.unordered(gold.items, pred.items)
    }

    /// `p=5, q=2; p=7, q=2` against the points `(5, 2), (7, 2)`: the names repeat in one order.
    fn solution_points(&mut self, gold: &[&Expr], pred: &[&Expr]) -> Option<Decision> {
        let names: Vec<&Expr> = gold
            .iter()
            .map(|e| match e {
                Expr::Relation(lhs, _) if is_assignment(e) => Some(&**lhs),
                _ => None,
            })
            .collect::<Option<_>>()?;
        let points: Vec<Elements<'_>> = pred
            .iter()
            .map(|e| match e {
                Expr::Interval(i) => self.point(Side::Pred, i),
                Expr::Tuple(_) => elements(e),
                _ => None,
            })
            .collect::<Option<_>>()?;
        let width = points.first()?.items.len();
        let repeats = names
            .iter()
            .enumerate()
            .all(|(i, n)| *n == names[i % width]);
        if width < 2 || width * points.len() != gold.len() || !repeats {
            return None;
        }
        // Each point of the prediction among those of the gold answer, in any order.
        let rows: Vec<&[&Expr]> = gold.chunks(width).collect();
        let mut decisions = Vec::with_capacity(points.len());
        for p in &points {
            let mut best = Decision::different(Reason::Parts);
            for row in &rows {
                let pairs: Vec<_> = row.iter().copied().zip(p.items.iter().copied()).collect();
                best = best.or(|| self.pairwise(&pairs));
            }
            decisions.push(best);
        }
        for row in &rows {
            let mut best = Decision::different(Reason::Parts);
            for p in &points {
                let pairs: Vec<_> = row.iter().copied().zip(p.items.iter().copied()).collect();
                best = best.or(|| self.pairwise(&pairs));
            }
            decisions.push(best);
        }
        Some(Decision::all(decisions))
    }

    /// Every element has an equal on the other side.
    fn unordered(&mut self, mut gold: Vec<&Expr>, mut pred: Vec<&Expr>) -> Decision {
        if gold.is_empty() != pred.is_empty() {
            return Decision::different(Reason::Shape);
        }
        // Values in one form are paired without trying; what is left must be few.
        let key = |this: &mut Self, side: Side, e: &Expr| this.lower(side, e).ok();
        let gold_keys: Vec<_> = gold.iter().map(|e| key(self, Side::Gold, e)).collect();
        let pred_keys: Vec<_> = pred.iter().map(|e| key(self, Side::Pred, e)).collect();
        let sorted = |keys: &[Option<u32>]| {
            let mut out: Vec<u32> = keys.iter().flatten().copied().collect();
            out.sort_unstable();
            out
        };
        let (in_gold, in_pred) = (sorted(&gold_keys), sorted(&pred_keys));
        let unmatched = |keys: &[Option<u32>], others: &[u32]| -> Vec<bool> {
            keys.iter()
                .map(|k| k.is_none_or(|k| others.binary_search(&k).is_err()))
                .collect()
        };
        let gold_left = unmatched(&gold_keys, &in_pred);
        let pred_left = unmatched(&pred_keys, &in_gold);
        let all = (gold.clone(), pred.clone());
        retain(&mut gold, &gold_left);
        retain(&mut pred, &pred_left);
        if gold.len() * all.1.len() + pred.len() * all.0.len() > MAX_PAIRS {
            // Far too many to be one answer in another form.
            return Decision::unknown(Reason::Limit);
        }
        let mut unknown = None;
        for g in &gold {
            match self.among(&all.1, |this, p| this.compare(g, p)) {
                d if d.is_equal() => {}
                d if d.verdict == Verdict::Unknown => unknown = Some(d),
                _ => return Decision::different(Reason::Parts),
            }
        }
        for p in &pred {
            match self.among(&all.0, |this, g| this.compare(g, p)) {
                d if d.is_equal() => {}
                d if d.verdict == Verdict::Unknown => unknown = Some(d),
                _ => return Decision::different(Reason::Parts),
            }
        }
        unknown.unwrap_or(Decision::equal(Reason::Parts))
    }

    fn among(
        &mut self,
        others: &[&Expr],
        mut compare: impl FnMut(&mut Self, &Expr) -> Decision,
    ) -> Decision {
        let mut best = Decision::different(Reason::Parts);
        for o in others {
            best = best.or(|| compare(self, o));
            if best.is_equal() {
                break;
            }
        }
        best
    }
}

/// Whether the items are values of different names: `a = 1, b = 2`.
fn names_differ(items: &[&Expr]) -> bool {
    let mut names: Vec<&Expr> = Vec::new();
    items.len() > 1
        && items.iter().all(|item| match item {
            Expr::Relation(name, _) if is_assignment(item) && !names.contains(&&**name) => {
                names.push(name);
                true
            }
            _ => false,
        })
}

fn is_nameless(items: &[&Expr]) -> bool {
    !items.iter().any(|item| matches!(item, Expr::Relation(..)))
}

fn retain<T>(items: &mut Vec<T>, keep: &[bool]) {
    let mut at = 0;
    items.retain(|_| {
        at += 1;
        keep[at - 1]
    });
}
