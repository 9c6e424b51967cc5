//! The questions in order.

use super::echo::echoes;
use super::names::word;
use super::shape::{collapsed, is_assignment, is_equation, is_relation, is_set, last_side, normal};
use super::zero::same_value;
use super::{Context, Decision, Side, names};
use crate::math::Reason;
use crate::math::number::Fail;
use crate::math::tree::Expr;

/// Nesting of answers inside answers.
const MAX_DEPTH: u32 = 24;

impl Context<'_> {
    /// Whether `pred` answers `gold`.
    pub(super) fn compare(&mut self, gold: &Expr, pred: &Expr) -> Decision {
        if self.depth >= MAX_DEPTH {
            return Decision::unknown(Reason::Limit);
        }
        // Rewriting and comparing the trees walks them a few times.
        let work = 10 + 8 * (names::size(gold) + names::size(pred));
        if self.arena.fuel.spend(work).is_err() {
            return Decision::unknown(Reason::Fuel);
        }
        self.depth += 1;
        let decision = self.compare_inner(gold, pred);
        self.depth -= 1;
        decision
    }

    fn compare_inner(&mut self, gold: &Expr, pred: &Expr) -> Decision {
        if names::is_undefined(gold) {
            return if names::is_undefined(pred) {
                Decision::equal(Reason::SameForm)
            } else {
                Decision::different(Reason::Shape)
            };
        }
        if let Some(decided) = self.with_conditions(gold, pred) {
            return decided;
        }
        if self.describes_line(gold, pred) && self.line_sets(gold, pred).is_equal() {
            return Decision::equal(Reason::Parts);
        }
        let (gold, pred) = (normal(gold), normal(pred));
        if gold == pred {
            return Decision::equal(Reason::SameForm);
        }
        // `x = 1` and `y = 1` differ, `x = 1` and `1` do not. What the gold answer is decides.
        let gold_assigns = is_assignment(&gold);
        let pred_equates = is_equation(&pred);
        if pred_equates && !is_equation(&gold) {
            if let Some(side) = last_side(&pred) {
                return self.compare(&gold, side);
            }
        } else if gold_assigns
            && !pred_equates
            && let Some(side) = last_side(&gold)
        {
            return self.compare(side, &pred);
        }
        let gold = if gold_assigns { collapsed(&gold) } else { gold };
        let pred = if is_assignment(&pred) {
            collapsed(&pred)
        } else {
            pred
        };
        let relations = (is_relation(&gold), is_relation(&pred));
        match relations {
            (true, true) if self.bare && echoes(&gold, &pred) => {
                return Decision::different(Reason::Shape);
            }
            (true, true) => return self.relations(&gold, &pred),
            // An interval answers an inequality; the reverse would let the question be echoed.
            (true, false) if is_set(&pred) => return self.line_sets(&gold, &pred),
            (false, true) if is_set(&gold) && self.options.allow_set_relation_comp => {
                return self.line_sets(&gold, &pred);
            }
            (false, false) => {}
            _ => return Decision::different(Reason::Shape),
        }
        if is_set(&gold) || is_set(&pred) {
            return self.sets(&gold, &pred);
        }
        self.values(&gold, &pred)
    }

    /// Whether "and" or "or" of inequalities is to be read as a set of numbers.
    ///
    /// As math-verify has it, such a description does not answer a gold set, so that a question
    /// cannot be echoed, nor a chain between delimiters.
    fn describes_line(&self, gold: &Expr, pred: &Expr) -> bool {
        is_logic(gold)
            || is_logic(pred)
                && match is_relation(gold) {
                    true => self.bare,
                    false => self.options.allow_set_relation_comp,
                }
    }

    /// Side conditions such as `k ∈ Z`: the parameter may have another name, and a condition that
    /// only says what kind of number a variable is may be left out.
    fn with_conditions(&mut self, gold: &Expr, pred: &Expr) -> Option<Decision> {
        match (gold, pred) {
            (Expr::Where(g, gc), Expr::Where(p, pc)) => {
                let before = self.renamed.clone();
                let (gold_names, pred_names) = (parameters(gc), parameters(pc));
                if gold_names.len() == pred_names.len() {
                    self.renamed.extend(pred_names.into_iter().zip(gold_names));
                }
                let core = self.compare(g, p);
                let decision = if gc.len() == pc.len() && !(kinds_only(gc) && kinds_only(pc)) {
                    let conditions: Vec<_> =
                        gc.iter().zip(pc).map(|(g, p)| self.compare(g, p)).collect();
                    Decision::all([core].into_iter().chain(conditions))
                } else {
                    core
                };
                self.renamed = before;
                Some(decision)
            }
            (Expr::Where(g, gc), _) if kinds_only(gc) => Some(self.compare(g, pred)),
            (_, Expr::Where(p, pc)) if kinds_only(pc) => Some(self.compare(gold, p)),
            _ => None,
        }
    }

    /// Names, matrices, numbers and formulas.
    fn values(&mut self, gold: &Expr, pred: &Expr) -> Decision {
        let is_word = |e: &Expr| matches!(e, Expr::Symbol(_) | Expr::Text(_));
        if is_word(gold) || is_word(pred) {
            return match (word(gold), word(pred)) {
                (Some(g), Some(p)) if g == p => Decision::equal(Reason::SameString),
                (Some(_), Some(_)) if self.renamed.is_empty() => {
                    Decision::different(Reason::SameString)
                }
                _ => self.formulas(gold, pred),
            };
        }
        if let (Expr::Ratio(g), Expr::Ratio(p)) = (gold, pred) {
            return self.ratios(g, p);
        }
        if let Some(decided) = self.written_numbers(gold, pred) {
            return decided;
        }
        self.formulas(gold, pred)
    }

    fn formulas(&mut self, gold: &Expr, pred: &Expr) -> Decision {
        let ids = self
            .lower(Side::Gold, gold)
            .and_then(|g| Ok((g, self.lower(Side::Pred, pred)?)));
        match ids {
            Ok((g, p)) => same_value(&mut self.arena, g, p),
            Err(Fail::Fuel) => Decision::unknown(Reason::Fuel),
            Err(_) => self.matrices(gold, pred),
        }
    }

    fn matrices(&mut self, gold: &Expr, pred: &Expr) -> Decision {
        // Literal matrices are compared entry by entry, so that decimals keep their rule.
        if let (Expr::Matrix(g), Expr::Matrix(p)) = (gold, pred) {
            let same_shape = g.len() == p.len() && g.iter().zip(p).all(|(a, b)| a.len() == b.len());
            if !same_shape {
                return Decision::different(Reason::Shape);
            }
            let pairs: Vec<_> = g.iter().flatten().zip(p.iter().flatten()).collect();
            return self.pairwise(&pairs);
        }
        let mut lowering = self.lowering(Side::Gold);
        let g = lowering.matrix(&mut self.arena, gold);
        let mut lowering = self.lowering(Side::Pred);
        let p = lowering.matrix(&mut self.arena, pred);
        match (g, p) {
            (Ok(g), Ok(p)) => {
                if g.shape() != p.shape() {
                    return Decision::different(Reason::Shape);
                }
                let entries = g.rows.iter().flatten().zip(p.rows.iter().flatten());
                let mut unknown = None;
                for (a, b) in entries {
                    let d = same_value(&mut self.arena, *a, *b);
                    if d.verdict == crate::math::Verdict::Unknown {
                        unknown = Some(d);
                    } else if !d.is_equal() {
                        return Decision::different(Reason::Parts);
                    }
                }
                unknown.unwrap_or(Decision::equal(Reason::Parts))
            }
            (Err(Fail::Fuel), _) | (_, Err(Fail::Fuel)) => Decision::unknown(Reason::Fuel),
            (Ok(_), Err(_)) | (Err(_), Ok(_)) => Decision::different(Reason::Shape),
            _ => self.structure(gold, pred),
        }
    }

    /// Elements one by one; stops at the first that differs.
    pub(super) fn pairwise(&mut self, pairs: &[(&Expr, &Expr)]) -> Decision {
        let mut unknown = None;
        for (g, p) in pairs {
            let d = self.compare(g, p);
            match d.verdict {
                crate::math::Verdict::Equal => {}
                crate::math::Verdict::Unknown => unknown = Some(d),
                _ => return Decision::different(Reason::Parts),
            }
        }
        unknown.unwrap_or(Decision::equal(Reason::Parts))
    }

    /// `a : b : c` up to a common factor.
    fn ratios(&mut self, gold: &[Expr], pred: &[Expr]) -> Decision {
        if gold.len() != pred.len() {
            return Decision::different(Reason::Shape);
        }
        let mut ids = Vec::with_capacity(gold.len());
        for (g, p) in gold.iter().zip(pred) {
            match (self.lower(Side::Gold, g), self.lower(Side::Pred, p)) {
                (Ok(g), Ok(p)) => ids.push((g, p)),
                _ => return Decision::unknown(Reason::Unsupported),
            }
        }
        let zero = |id| self.arena.as_int(id) == Some(0);
        let has_zero = ids.iter().any(|(g, p)| zero(*g) || zero(*p));
        let mut decisions = Vec::with_capacity(ids.len());
        if has_zero {
            // `12:00` is a time; nothing is scaled.
            for (g, p) in ids {
                decisions.push(same_value(&mut self.arena, g, p));
            }
            return Decision::all(decisions);
        }
        for &(g, p) in &ids[1..] {
            let (g0, p0) = ids[0];
            let cross = self
                .arena
                .mul(&[g, p0])
                .and_then(|l| Ok((l, self.arena.mul(&[g0, p])?)));
            decisions.push(match cross {
                Ok((l, r)) => same_value(&mut self.arena, l, r),
                Err(_) => Decision::unknown(Reason::Fuel),
            });
        }
        Decision::all(decisions)
    }

    /// Answers that have no value are equal if they are built alike of equal parts.
    pub(super) fn structure(&mut self, gold: &Expr, pred: &Expr) -> Decision {
        let alike = std::mem::discriminant(gold) == std::mem::discriminant(pred);
        let heads = match (gold, pred) {
            (Expr::Call(f, _), Expr::Call(g, _)) => f == g,
            (Expr::Apply(f, _), Expr::Apply(g, _)) => f.folded() == g.folded(),
            (Expr::Bound(f), Expr::Bound(g)) => f.op == g.op && f.var == g.var,
            (Expr::NumberSet(f), Expr::NumberSet(g)) => f == g,
            (Expr::Number(_), _) | (Expr::Constant(_), _) => gold == pred,
            _ => true,
        };
        if !alike || !heads {
            return Decision::different(Reason::Shape);
        }
        let (mut g, mut p) = (Vec::new(), Vec::new());
        names::parts(gold, &mut |e| g.push(e));
        names::parts(pred, &mut |e| p.push(e));
        if g.len() != p.len() || g.is_empty() {
            return if gold == pred {
                Decision::equal(Reason::SameForm)
            } else {
                Decision::different(Reason::Shape)
            };
        }
        let pairs: Vec<_> = g.into_iter().zip(p).collect();
        self.pairwise(&pairs)
    }
}

/// Variables of conditions `k ∈ Z`.
fn parameters(conditions: &[Expr]) -> Vec<String> {
    let mut out = Vec::new();
    for c in conditions {
        if let Expr::Relation(lhs, _) = c {
            out.extend(names::variables(lhs).into_iter().map(str::to_lowercase));
        }
    }
    out
}

/// "And" and "or" of relations, which describe a set.
fn is_logic(expr: &Expr) -> bool {
    matches!(expr, Expr::Or(_) | Expr::And(_))
}

/// Whether conditions only say which numbers the variables are.
fn kinds_only(conditions: &[Expr]) -> bool {
    conditions.iter().all(|c| match c {
        Expr::Relation(_, rest) => rest.iter().all(|(_, e)| matches!(e, Expr::NumberSet(_))),
        // `for all real x`.
        Expr::Symbol(_) => true,
        Expr::List(names) => names.iter().all(|e| matches!(e, Expr::Symbol(_))),
        _ => false,
    })
}
