//! Whether two parsed answers are equal.
//!
//! The order of questions is that of math-verify's `sympy_expr_eq`: assignments are unwrapped,
//! relations are compared with relations, sets with sets, names with names, and what is left is a
//! value. Where this differs from the Python library, `docs/math-verifier.md` says so.

mod compare;
mod echo;
mod line;
mod names;
mod numbers;
mod relation;
mod sets;
mod shape;
mod zero;

use super::canon::{Arena, Id, Lowering};
use super::number::{Eval, Fuel};
use super::tree::Expr;
use super::{Options, Parsed, Reason, Unparsed, Verdict};

/// Work limit of one verdict, in steps of about ten nanoseconds.
const FUEL: u64 = 150_000;

/// Work limit of one verdict at 192 bits, in the same steps.
const DEEP_FUEL: u64 = 250_000;

/// A verdict and what it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// The reason.
    pub reason: Reason,
}

impl Decision {
    fn equal(reason: Reason) -> Self {
        Self {
            verdict: Verdict::Equal,
            reason,
        }
    }

    fn different(reason: Reason) -> Self {
        Self {
            verdict: Verdict::Different,
            reason,
        }
    }

    fn unknown(reason: Reason) -> Self {
        Self {
            verdict: Verdict::Unknown,
            reason,
        }
    }

    /// Whether the verdict is [`Verdict::Equal`].
    pub fn is_equal(self) -> bool {
        self.verdict == Verdict::Equal
    }

    /// Equal if every part is; the first part that is not decides otherwise.
    fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut unknown = None;
        for p in parts {
            match p.verdict {
                Verdict::Equal => {}
                Verdict::Unknown => unknown = Some(p),
                _ => return Self::different(Reason::Parts),
            }
        }
        unknown.unwrap_or(Self::equal(Reason::Parts))
    }

    /// The better of two: equal, then unknown, then different.
    fn or(self, other: impl FnOnce() -> Self) -> Self {
        if self.is_equal() {
            return self;
        }
        let other = other();
        match (other.verdict, self.verdict) {
            (Verdict::Equal, _) => other,
            (_, Verdict::Unknown) => self,
            (Verdict::Unknown, _) => other,
            _ => self,
        }
    }
}

/// Which answer an expression belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Gold,
    Pred,
}

/// One comparison: the arena both sides live in, and how names are read.
struct Context<'a> {
    arena: Arena,
    options: &'a Options,
    fold_case: bool,
    /// Whether the gold answer is a value of a data set without delimiters. Between delimiters
    /// some conventions of math-verify are kept that nobody means in data.
    bare: bool,
    /// Variables of the prediction that stand for variables of the gold answer.
    renamed: Vec<(String, String)>,
    depth: u32,
}

impl<'a> Context<'a> {
    fn new(options: &'a Options, gold: &Expr, bare: bool, budget: &Budget) -> Self {
        Self {
            arena: Arena::new(budget.fuel.clone(), budget.deep.clone()),
            options,
            fold_case: !names::mixes_case(gold),
            bare,
            renamed: Vec::new(),
            depth: 0,
        }
    }

    fn lowering(&self, side: Side) -> Lowering {
        let mut lowering = Lowering::new(self.fold_case);
        if side == Side::Pred {
            lowering.renamed.clone_from(&self.renamed);
        }
        lowering
    }

    /// The canonical form of an expression that has a value.
    fn lower(&mut self, side: Side, expr: &Expr) -> Eval<Id> {
        let mut lowering = self.lowering(side);
        lowering.scalar(&mut self.arena, expr)
    }
}

/// Decides between all readings of the gold answer and of the response.
///
/// A `bare` gold answer is a value of a data set without delimiters, so that its percent sign is a
/// unit and its digits all count.
pub(super) fn answers(gold: &Parsed, bare: bool, pred: &Parsed, options: &Options) -> Decision {
    let found = !pred.values.is_empty() || pred.literal.is_some();
    let mut best = Decision::different(match pred.reason {
        _ if found => Reason::Shape,
        Some(Unparsed::Limit) => Reason::Limit,
        Some(Unparsed::Syntax) => Reason::Unparsed,
        _ => Reason::NoAnswer,
    });
    if let (Some(g), Some(p)) = (&gold.literal, &pred.literal) {
        best = if g == p {
            Decision::equal(Reason::SameString)
        } else {
            Decision::different(Reason::SameString)
        };
    }
    if same_text(gold.fallback.as_deref(), pred.fallback.as_deref()) {
        // A gold answer that does not parse can still be met letter by letter.
        let undefined = gold.values.iter().any(names::is_undefined);
        if !undefined {
            return Decision::equal(Reason::SameString);
        }
    }
    let mut budget = Budget::new();
    let mut first = true;
    for g in &gold.values {
        for p in &pred.values {
            let decision = compare_values(g, p, bare, options, &mut budget);
            best = if first {
                decision
            } else {
                best.or(|| decision)
            };
            first = false;
            if best.is_equal() {
                return best;
            }
        }
    }
    best
}

/// The numeric value of an answer, if it is a real constant.
pub(super) fn number(answer: &Parsed) -> Option<f64> {
    let value = answer.value()?;
    let options = Options::default();
    let mut context = Context::new(&options, value, false, &Budget::new());
    let id = context.lower(Side::Pred, value).ok()?;
    zero::real(&mut context.arena, id).filter(|v| v.is_finite())
}

fn same_text(gold: Option<&str>, pred: Option<&str>) -> bool {
    matches!((gold, pred), (Some(g), Some(p)) if !g.trim().is_empty() && g.trim() == p.trim())
}

/// What may still be spent on a verdict.
struct Budget {
    fuel: Fuel,
    deep: Fuel,
}

impl Budget {
    fn new() -> Self {
        Self {
            fuel: Fuel::new(FUEL),
            deep: Fuel::new(DEEP_FUEL),
        }
    }

    /// Compares in a fresh context and keeps what it leaves.
    fn compare(
        &mut self,
        gold: &Expr,
        pred: &Expr,
        bare: bool,
        options: &Options,
        renamed: Vec<(String, String)>,
    ) -> Decision {
        let mut context = Context::new(options, gold, bare, self);
        context.renamed = renamed;
        let decision = context.compare(gold, pred);
        self.fuel = context.arena.fuel;
        self.deep = context.arena.deep_fuel;
        decision
    }
}

fn compare_values(
    gold: &Expr,
    pred: &Expr,
    bare: bool,
    options: &Options,
    budget: &mut Budget,
) -> Decision {
    let renamed = names::with_bound_names_of(gold, pred);
    let pred = renamed.as_ref().unwrap_or(pred);
    let mut strict = budget.compare(gold, pred, bare, options, Vec::new());
    let percent = |e: &Expr| names::any(e, &|e| matches!(e, Expr::Percent(_)));
    if bare && !strict.is_equal() && percent(gold) != percent(pred) {
        let (g, p) = (names::without_percents(gold), names::without_percents(pred));
        strict = strict.or(|| budget.compare(&g, &p, bare, options, Vec::new()));
    }
    if options.strict || strict.is_equal() {
        return strict;
    }
    names::renamings(gold, pred)
        .into_iter()
        .fold(strict, |best, renamed| {
            best.or(|| budget.compare(gold, pred, bare, options, renamed))
        })
}
