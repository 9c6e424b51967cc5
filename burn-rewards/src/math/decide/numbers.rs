//! Numbers as written: decimals, percents, bases.

use super::zero::{real, rounded};
use super::{Context, Decision, Side};
use crate::math::Reason;
use crate::math::canon::{Id, lower};
use crate::math::number::rat::Rat;
use crate::math::tree::{Expr, Number};

/// A literal, perhaps negated, perhaps with a percent sign.
#[derive(Clone, Copy)]
struct Literal<'e> {
    number: &'e Number,
    negative: bool,
    percent: bool,
}

impl Literal<'_> {
    fn is_decimal(&self) -> bool {
        self.number.decimal && self.number.repeating == 0
    }

    /// The integer, without its percent sign.
    fn integer(&self) -> Option<Rat> {
        if self.number.decimal || self.number.repeating > 0 {
            return None;
        }
        let value = lower::literal(self.number)?;
        Some(if self.negative { value.neg() } else { value })
    }
}

fn literal(expr: &Expr) -> Option<Literal<'_>> {
    match expr {
        Expr::Number(number) => Some(Literal {
            number,
            negative: false,
            percent: false,
        }),
        Expr::Neg(x) => literal(x).map(|l| Literal {
            negative: !l.negative,
            ..l
        }),
        Expr::Percent(x) => literal(x)
            .filter(|l| !l.percent)
            .map(|l| Literal { percent: true, ..l }),
        Expr::Tuple(p) if p.len() == 1 => literal(&p[0]),
        _ => None,
    }
}

impl Context<'_> {
    /// Rules for numbers as written; `None` where none applies.
    ///
    /// A decimal on either side: both are rounded to the decimals of the options, half to even.
    /// Two integers of which one has a percent sign: the sign is ignored, as in Python.
    pub(super) fn written_numbers(&mut self, gold: &Expr, pred: &Expr) -> Option<Decision> {
        if let Some(decided) = bases(gold, pred) {
            return Some(decided);
        }
        let (g, p) = (literal(gold), literal(pred));
        if !self.bare
            && let (Some(g), Some(p)) = (&g, &p)
            && (g.percent || p.percent)
            && let (Some(a), Some(b)) = (g.integer(), p.integer())
        {
            return Some(if a == b {
                Decision::equal(Reason::Exact)
            } else {
                Decision::different(Reason::Exact)
            });
        }
        if g.is_none_or(|l| !l.is_decimal()) && p.is_none_or(|l| !l.is_decimal()) {
            return None;
        }
        let a = self.lower(Side::Gold, gold).ok()?;
        let b = self.lower(Side::Pred, pred).ok()?;
        self.rounded_equal(a, b)
    }

    fn rounded_equal(&mut self, a: Id, b: Id) -> Option<Decision> {
        if a == b {
            return Some(Decision::equal(Reason::SameForm));
        }
        let digits = self.options.float_rounding.min(100);
        let x = rounded(&mut self.arena, a, digits)?;
        let y = rounded(&mut self.arena, b, digits)?;
        Some(if x == y && self.same_size(a, b, digits) {
            Decision::equal(Reason::Rounded)
        } else {
            Decision::different(Reason::Rounded)
        })
    }
}

impl Context<'_> {
    /// Whether what rounds to zero agrees in its leading digits too: a charge of 1.6e-19 is not 0.
    ///
    /// Asked of gold answers without delimiters, and of all that are a thousandth of the last
    /// decimal; others are rounded as in Python.
    fn same_size(&mut self, gold: Id, pred: Id, digits: u32) -> bool {
        let Some(size) = real(&mut self.arena, gold).map(f64::abs) else {
            return true;
        };
        let last = libm::pow(10.0, -f64::from(digits));
        let limit = if self.bare {
            last / 2.0
        } else {
            last / 1_000.0
        };
        let zero = self.arena.as_rat(gold).is_some_and(Rat::is_zero);
        if zero || size >= limit {
            return true;
        }
        let Ok(ratio) = self.arena.div(pred, gold) else {
            return true;
        };
        let one = self.arena.int(1).ok();
        let one = one.and_then(|one| rounded(&mut self.arena, one, digits));
        rounded(&mut self.arena, ratio, digits) == one
    }
}

/// Numbers with a base subscript: the same base and the same digits. Against a number without one,
/// the digits as they stand (the question has named the base).
fn bases(gold: &Expr, pred: &Expr) -> Option<Decision> {
    let strip = |d: &str| d.trim_start_matches('0').to_owned();
    let same = match (gold, pred) {
        (Expr::InBase { digits: a, base: x }, Expr::InBase { digits: b, base: y }) => {
            x == y && strip(a) == strip(b)
        }
        (Expr::InBase { digits, .. }, Expr::Number(n))
        | (Expr::Number(n), Expr::InBase { digits, .. }) => {
            !n.decimal
                && n.repeating == 0
                && n.exponent == 0
                && n.mantissa.to_string() == strip(digits)
        }
        _ => return None,
    };
    Some(if same {
        Decision::equal(Reason::SameForm)
    } else {
        Decision::different(Reason::Exact)
    })
}
