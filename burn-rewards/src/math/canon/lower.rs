//! From the tree that was written to canonical form.

use dashu_int::ops::BitTest;
use dashu_int::{IBig, UBig};

use super::arena::{Arena, Condition, Id, Node};
use crate::math::number::rat::{MAX_BITS, Rat};
use crate::math::number::{Eval, Fail};
use crate::math::tree::{BigOp, Bound, Constant, Expr, Function, Number, RelOp};

/// Largest power of ten a literal is multiplied out with; `1E99999` stays a power.
const MAX_EXPONENT: i64 = 4_000;

/// How names and signs are read while lowering.
#[derive(Debug, Clone)]
pub struct Lowering {
    /// Letter case of names is dropped.
    pub fold_case: bool,
    /// Which sign `\pm` has.
    pub upper_sign: bool,
    /// Variables renamed in place, for comparisons in which names do not matter.
    pub renamed: Vec<(String, String)>,
    scopes: Vec<(String, String)>,
}

impl Default for Lowering {
    fn default() -> Self {
        Self::new(true)
    }
}

impl Lowering {
    /// Names with or without letter case.
    pub fn new(fold_case: bool) -> Self {
        Self {
            fold_case,
            upper_sign: true,
            renamed: Vec::new(),
            scopes: Vec::new(),
        }
    }

    /// The name a variable has in the arena.
    pub fn name(&self, name: &str) -> String {
        let folded = if self.fold_case {
            name.to_lowercase()
        } else {
            name.to_owned()
        };
        let find = |list: &[(String, String)]| {
            list.iter()
                .rev()
                .find(|(from, _)| *from == folded)
                .map(|(_, to)| to.clone())
        };
        find(&self.scopes)
            .or_else(|| find(&self.renamed))
            .unwrap_or(folded)
    }

    /// Lowers an expression that is a number or a formula.
    ///
    /// # Errors
    /// [`Fail::Unsupported`] for sets, relations and other things that have no value;
    /// [`Fail::Fuel`] when the work limit is used up.
    pub fn scalar(&mut self, arena: &mut Arena, expr: &Expr) -> Eval<Id> {
        arena.fuel.spend(4)?;
        match expr {
            Expr::Number(n) => number(arena, n),
            Expr::InBase { digits, base } => {
                let value = in_base(digits, *base).ok_or(Fail::Unsupported)?;
                arena.rat(value)
            }
            Expr::Constant(c) => arena.constant(*c),
            Expr::Symbol(s) => self.symbol(arena, &s.0),
            Expr::Text(t) => self.symbol(arena, &t.replace(' ', "")),
            Expr::Percent(x) => {
                let x = self.scalar(arena, x)?;
                let unit = arena.rat(Rat::Small(1, 100))?;
                arena.mul(&[x, unit])
            }
            Expr::Add(parts) => {
                let parts = self.scalars(arena, parts)?;
                arena.add(&parts)
            }
            Expr::Mul(parts) => {
                let parts = self.scalars(arena, parts)?;
                arena.mul(&parts)
            }
            Expr::Div(a, b) => {
                let (a, b) = (self.scalar(arena, a)?, self.scalar(arena, b)?);
                arena.div(a, b)
            }
            Expr::Neg(x) => {
                let x = self.scalar(arena, x)?;
                arena.neg(x)
            }
            Expr::Pow(b, e) => {
                let (b, e) = (self.scalar(arena, b)?, self.scalar(arena, e)?);
                arena.pow(b, e)
            }
            Expr::Root(x, n) => {
                let (x, n) = (self.scalar(arena, x)?, self.scalar(arena, n)?);
                let minus = arena.int(-1)?;
                let e = arena.pow(n, minus)?;
                arena.pow(x, e)
            }
            Expr::PlusMinus(x) | Expr::MinusPlus(x) => {
                let id = self.scalar(arena, x)?;
                let upper = self.upper_sign == matches!(expr, Expr::PlusMinus(_));
                if upper { Ok(id) } else { arena.neg(id) }
            }
            Expr::Call(Function::Log, args) => self.log(arena, args),
            Expr::Call(f @ (Function::Det | Function::Trace | Function::Rank), args) => {
                let [m] = &args[..] else {
                    return Err(Fail::Unsupported);
                };
                match self.matrix(arena, m) {
                    Ok(m) => m.measure(arena, *f),
                    Err(Fail::Fuel) => Err(Fail::Fuel),
                    Err(_) => self.opaque(arena, &format!("{f:?}"), args),
                }
            }
            Expr::Call(f @ (Function::Transpose | Function::Conjugate), args)
                if matches!(args[..], [Expr::Symbol(_)]) =>
            {
                self.opaque(arena, &format!("{f:?}"), args)
            }
            Expr::Call(f, args) => {
                let args = self.scalars(arena, args)?;
                arena.call(*f, &args)
            }
            Expr::Apply(name, args) => self.opaque(arena, &name.0, args),
            Expr::Bound(b) => self.bound(arena, b),
            Expr::Ratio(parts) => {
                let parts = self.scalars(arena, parts)?;
                let name = arena.name_id("\u{1}ratio");
                arena.intern(Node::Apply(name, parts.into()))
            }
            Expr::Piecewise(cases) => self.piecewise(arena, cases),
            // A single value between brackets is that value.
            Expr::Tuple(parts) | Expr::List(parts) if parts.len() == 1 => {
                self.scalar(arena, &parts[0])
            }
            Expr::Relation(lhs, rest) => self.relation_argument(arena, lhs, rest),
            _ => Err(Fail::Unsupported),
        }
    }

    /// Lowers each of `parts`.
    pub fn scalars(&mut self, arena: &mut Arena, parts: &[Expr]) -> Eval<Vec<Id>> {
        parts.iter().map(|p| self.scalar(arena, p)).collect()
    }

    fn symbol(&mut self, arena: &mut Arena, name: &str) -> Eval<Id> {
        let name = self.name(name);
        arena.symbol(&name)
    }

    /// `f(x)`: the name with letter case as given by the rules for variables.
    fn opaque(&mut self, arena: &mut Arena, name: &str, args: &[Expr]) -> Eval<Id> {
        let args = self.scalars(arena, args)?;
        let name = self.name(name);
        let name = arena.name_id(&name);
        arena.intern(Node::Apply(name, args.into()))
    }

    /// `P(X = 9)`: the argument is no number, but equal arguments are equal.
    fn relation_argument(
        &mut self,
        arena: &mut Arena,
        lhs: &Expr,
        rest: &[(RelOp, Expr)],
    ) -> Eval<Id> {
        let mut parts = vec![self.scalar(arena, lhs)?];
        let mut name = String::from("\u{1}relation");
        for (op, e) in rest {
            name.push_str(&format!("{op:?}"));
            parts.push(self.scalar(arena, e)?);
        }
        let name = arena.name_id(&name);
        arena.intern(Node::Apply(name, parts.into()))
    }

    fn log(&mut self, arena: &mut Arena, args: &[Expr]) -> Eval<Id> {
        let args = self.scalars(arena, args)?;
        let [x, base] = args[..] else {
            return Err(Fail::Unsupported);
        };
        let ln = arena.call(Function::Log, &[x])?;
        if matches!(arena.node(base), Node::Const(Constant::E)) {
            return Ok(ln);
        }
        let below = arena.call(Function::Log, &[base])?;
        arena.div(ln, below)
    }

    fn bound(&mut self, arena: &mut Arena, b: &Bound) -> Eval<Id> {
        let mut end = |this: &mut Self, e: &Option<Expr>| {
            e.as_ref().map(|e| this.scalar(arena, e)).transpose()
        };
        let (lo, hi) = (end(self, &b.lo)?, end(self, &b.hi)?);
        // A free result keeps its variable: `d/dx x^2` and `∫ x dx` are functions of `x`.
        let free = b.op == BigOp::Derivative || (b.op == BigOp::Integral && lo.is_none());
        let outer = self.name(&b.var.0);
        let inner = if free {
            outer
        } else {
            format!("\u{1}{}", self.scopes.len())
        };
        let key = if self.fold_case {
            b.var.0.to_lowercase()
        } else {
            b.var.0.to_string()
        };
        self.scopes.push((key, inner.clone()));
        let body = self.scalar(arena, &b.body);
        self.scopes.pop();
        let var = arena.name_id(&inner);
        arena.bound(b.op, var, lo, hi, body?)
    }

    fn piecewise(&mut self, arena: &mut Arena, cases: &[(Expr, Option<Expr>)]) -> Eval<Id> {
        let mut out = Vec::with_capacity(cases.len());
        for (value, condition) in cases {
            let value = self.scalar(arena, value)?;
            let condition = match condition {
                None => None,
                Some(Expr::Relation(lhs, rest)) => match &rest[..] {
                    [(op, rhs)] => {
                        let signs = signs(*op).ok_or(Fail::Unsupported)?;
                        let (l, r) = (self.scalar(arena, lhs)?, self.scalar(arena, rhs)?);
                        Some(Condition {
                            difference: arena.sub(l, r)?,
                            signs,
                        })
                    }
                    _ => return Err(Fail::Unsupported),
                },
                Some(_) => return Err(Fail::Unsupported),
            };
            out.push((condition, value));
        }
        arena.intern(Node::Choose(out.into()))
    }
}

/// Signs of `lhs - rhs` that satisfy an order relation.
pub fn signs(op: RelOp) -> Option<[bool; 3]> {
    Some(match op {
        RelOp::Eq | RelOp::Equiv => [false, true, false],
        RelOp::Ne => [true, false, true],
        RelOp::Lt => [true, false, false],
        RelOp::Le => [true, true, false],
        RelOp::Gt => [false, false, true],
        RelOp::Ge => [false, true, true],
        _ => return None,
    })
}

/// The exact value of a literal, `None` if its power of ten is out of bounds.
pub fn literal(n: &Number) -> Option<Rat> {
    if n.exponent.abs() > MAX_EXPONENT {
        return None;
    }
    if n.exponent == 0 && n.repeating == 0 {
        return Some(Rat::from_ibig(n.mantissa.clone()));
    }
    let ten = |k: u64| UBig::from(10u8).pow(k as usize);
    if n.repeating == 0 {
        let power = ten(n.exponent.unsigned_abs());
        return if n.exponent > 0 {
            Some(Rat::from_ibig(n.mantissa.clone() * IBig::from(power)))
        } else {
            Rat::from_parts(n.mantissa.clone(), power)
        };
    }
    // With the period once after k digits and a period of r: (N - N div 10^r) / (10^k - 10^(k-r)).
    let decimals = u64::try_from(-n.exponent).ok()?;
    let period = u64::from(n.repeating);
    let before = &n.mantissa / IBig::from(ten(period));
    let below = ten(decimals) - ten(decimals.checked_sub(period)?);
    Rat::from_parts(&n.mantissa - before, below)
}

fn number(arena: &mut Arena, n: &Number) -> Eval<Id> {
    // A decimal is reduced by a greatest common divisor, which is quadratic in the length.
    let words = (n.mantissa.bit_len() as u64 + n.exponent.unsigned_abs() * 4) / 64;
    let is_plain = n.exponent >= 0 && n.repeating == 0;
    arena
        .fuel
        .spend(if is_plain { words } else { words * words / 3 })?;
    if let Some(value) = literal(n) {
        return if value.bits() > 4 * MAX_BITS {
            Err(Fail::Fuel)
        } else {
            arena.rat(value)
        };
    }
    let (ten, e) = (arena.int(10)?, arena.int(n.exponent)?);
    let power = arena.pow(ten, e)?;
    let mantissa = arena.rat(Rat::from_ibig(n.mantissa.clone()))?;
    arena.mul(&[mantissa, power])
}

/// The value of digits in a base, `None` if a digit does not exist in it.
pub fn in_base(digits: &str, base: u32) -> Option<Rat> {
    if !(2..=36).contains(&base) || digits.len() > 2_000 {
        return None;
    }
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, digits),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut value = IBig::ZERO;
    for c in whole.chars().chain(fraction.chars()) {
        value = value * IBig::from(base) + IBig::from(c.to_digit(base)?);
    }
    Rat::from_parts(
        value * IBig::from(sign),
        UBig::from(base).pow(fraction.len()),
    )
}
