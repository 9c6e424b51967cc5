//! One evaluator for all number domains.

use std::cmp::Ordering;

use crate::math::canon::{Arena, Id, NameId, Node};
use crate::math::number::rat::Rat;
use crate::math::number::{Eval, Fail, Fuel, hash_name, mix};
use crate::math::tree::{BigOp, Constant, Function};

/// A set of numbers with the operations of expressions.
pub trait Domain {
    /// A number.
    type Value: Clone;
    /// Work of a sum or product, in steps.
    const COST: u64;
    /// Work of a power or function.
    const CALL_COST: u64;

    /// A rational.
    fn rat(&mut self, r: &Rat) -> Eval<Self::Value>;
    /// A named constant.
    fn constant(&mut self, c: Constant) -> Eval<Self::Value>;
    /// The value of a variable at the current point.
    fn symbol(&mut self, name: &str) -> Eval<Self::Value>;
    /// Sum.
    fn add(&mut self, a: &Self::Value, b: &Self::Value) -> Eval<Self::Value>;
    /// Product.
    fn mul(&mut self, a: &Self::Value, b: &Self::Value) -> Eval<Self::Value>;
    /// Power, principal value; the exponent's exact value is given if it is rational.
    fn pow(&mut self, b: &Self::Value, e: &Self::Value, exact: Option<&Rat>) -> Eval<Self::Value>;
    /// A function of fixed meaning.
    fn call(&mut self, f: Function, args: &[Self::Value]) -> Eval<Self::Value>;
    /// Sign of a real value.
    fn sign(&mut self, v: &Self::Value) -> Eval<Ordering>;
    /// The integer a value is, where the domain can tell.
    fn integer(&self, v: &Self::Value) -> Eval<i64>;
    /// Binary logarithm of the size, `-inf` at zero.
    fn magnitude(&self, v: &Self::Value) -> f64;
    /// Bits a value carries; `None` where series and limits have no meaning.
    fn bits(&self) -> Option<u32>;
    /// `v` with an error of at least `2^log2` added.
    fn widened(&self, v: Self::Value, log2: f64) -> Self::Value;
}

/// Terms of an infinite series that are added before giving up.
const MAX_SERIES: u32 = 600;

/// Evaluates nodes of one arena at one point.
pub struct Walk<'a, D: Domain> {
    arena: &'a Arena,
    /// The number domain, with its point.
    pub domain: D,
    /// Work limit.
    pub fuel: &'a mut Fuel,
    memo: Vec<Option<Eval<D::Value>>>,
    scope: Vec<(NameId, D::Value)>,
}

impl<'a, D: Domain> Walk<'a, D> {
    /// An evaluator with nothing evaluated yet.
    pub fn new(arena: &'a Arena, domain: D, fuel: &'a mut Fuel) -> Self {
        Self {
            arena,
            domain,
            fuel,
            memo: vec![None; arena.len()],
            scope: Vec::new(),
        }
    }

    /// The value of `id`.
    ///
    /// # Errors
    /// See [`Fail`].
    pub fn eval(&mut self, id: Id) -> Eval<D::Value> {
        if self.scope.is_empty() {
            if let Some(done) = &self.memo[id as usize] {
                return done.clone();
            }
            let value = self.compute(id);
            self.memo[id as usize] = Some(value.clone());
            return value;
        }
        self.compute(id)
    }

    fn compute(&mut self, id: Id) -> Eval<D::Value> {
        self.fuel.spend(D::COST)?;
        let arena = self.arena;
        match arena.node(id) {
            Node::Rat(r) => {
                if !r.is_int() {
                    self.fuel.spend(D::CALL_COST)?;
                }
                if let Rat::Big(_) = r {
                    self.fuel.spend(r.bits() as u64 / 12)?;
                }
                self.domain.rat(r)
            }
            Node::Const(c) => self.domain.constant(*c),
            Node::Sym(v) => match self.scope.iter().rev().find(|(name, _)| name == v) {
                Some((_, value)) => Ok(value.clone()),
                None => self.domain.symbol(arena.name(*v)),
            },
            Node::Add(parts) => {
                let mut sum = self.eval(parts[0])?;
                for p in &parts[1..] {
                    let p = self.eval(*p)?;
                    self.fuel.spend(D::COST)?;
                    sum = self.domain.add(&sum, &p)?;
                }
                Ok(sum)
            }
            Node::Mul(parts) => {
                let mut product = self.eval(parts[0])?;
                for p in &parts[1..] {
                    let p = self.eval(*p)?;
                    self.fuel.spend(D::COST)?;
                    product = self.domain.mul(&product, &p)?;
                }
                Ok(product)
            }
            Node::Pow(b, e) => {
                let (base, exponent) = (self.eval(*b)?, self.eval(*e)?);
                self.fuel.spend(D::CALL_COST)?;
                self.domain.pow(&base, &exponent, arena.as_rat(*e))
            }
            Node::Call(f, args) => {
                let args = args
                    .iter()
                    .map(|a| self.eval(*a))
                    .collect::<Eval<Vec<_>>>()?;
                self.fuel.spend(D::CALL_COST)?;
                self.domain.call(*f, &args)
            }
            Node::Apply(name, args) => {
                let args = args
                    .iter()
                    .map(|a| self.eval(*a))
                    .collect::<Eval<Vec<_>>>()?;
                self.unknown_function(hash_name(arena.name(*name)), &args)
            }
            Node::Bound(op, var, lo, hi, body) => self.bound(*op, *var, *lo, *hi, *body),
            Node::Choose(cases) => {
                for (condition, value) in cases {
                    let Some(c) = condition else {
                        return self.eval(*value);
                    };
                    let d = self.eval(c.difference)?;
                    let sign = self.domain.sign(&d)?;
                    if c.signs[(sign as i8 + 1) as usize] {
                        return self.eval(*value);
                    }
                }
                Err(Fail::Undefined)
            }
        }
    }

    /// Some fixed function of the arguments that satisfies no identity an answer would use:
    /// `Σ a_j v_j + 1 / (b_j v_j² + c_j)` with coefficients drawn from the name.
    fn unknown_function(&mut self, name: u64, args: &[D::Value]) -> Eval<D::Value> {
        let coefficient = |j: u64| Rat::int((mix(name ^ mix(j)) % 997) as i64 + 3);
        let mut sum = self.domain.rat(&coefficient(args.len() as u64))?;
        for (j, v) in args.iter().enumerate() {
            let j = 3 * j as u64 + 100;
            self.fuel.spend(6 * D::COST + D::CALL_COST)?;
            let (a, b, c) = (coefficient(j), coefficient(j + 1), coefficient(j + 2));
            let (a, b, c) = (
                self.domain.rat(&a)?,
                self.domain.rat(&b)?,
                self.domain.rat(&c)?,
            );
            let linear = self.domain.mul(&a, v)?;
            let square = self.domain.mul(v, v)?;
            let square = self.domain.mul(&b, &square)?;
            let below = self.domain.add(&square, &c)?;
            let minus = self.domain.rat(&Rat::int(-1))?;
            let inverse = self.domain.pow(&below, &minus, Some(&Rat::int(-1)))?;
            sum = self.domain.add(&sum, &linear)?;
            sum = self.domain.add(&sum, &inverse)?;
        }
        Ok(sum)
    }

    fn bound(
        &mut self,
        op: BigOp,
        var: NameId,
        lo: Option<Id>,
        hi: Option<Id>,
        body: Id,
    ) -> Eval<D::Value> {
        if self.scope.len() > 3 {
            return Err(Fail::Unsupported);
        }
        match (op, lo, hi) {
            (BigOp::Sum | BigOp::Product, Some(lo), Some(hi)) => {
                let from = self.arena.as_int(lo).ok_or(Fail::Unsupported)?;
                match self.arena.as_int(hi) {
                    Some(to) => self.finite(op, var, from, to, body),
                    None if self.arena.as_infinity(hi) == Some(1) => {
                        self.infinite(op, var, from, body)
                    }
                    None => {
                        let to = self.eval(hi)?;
                        let to = self.domain.integer(&to)?;
                        self.finite(op, var, from, to, body)
                    }
                }
            }
            (BigOp::Limit | BigOp::LimitFromAbove | BigOp::LimitFromBelow, Some(to), _) => {
                self.limit(op, var, to, body)
            }
            _ => Err(Fail::Unsupported),
        }
    }

    fn at(&mut self, var: NameId, value: D::Value, body: Id) -> Eval<D::Value> {
        self.scope.push((var, value));
        let out = self.eval(body);
        self.scope.pop();
        out
    }

    fn finite(&mut self, op: BigOp, var: NameId, from: i64, to: i64, body: Id) -> Eval<D::Value> {
        let product = op == BigOp::Product;
        let mut acc = self.domain.rat(&Rat::int(i64::from(product)))?;
        for k in from..=to {
            let k = self.domain.rat(&Rat::int(k))?;
            let term = self.at(var, k, body)?;
            self.fuel.spend(D::COST)?;
            acc = if product {
                self.domain.mul(&acc, &term)?
            } else {
                self.domain.add(&acc, &term)?
            };
        }
        Ok(acc)
    }

    /// Terms until they no longer count, if they fall at least by a quarter each at the end.
    fn infinite(&mut self, op: BigOp, var: NameId, from: i64, body: Id) -> Eval<D::Value> {
        let bits = f64::from(self.domain.bits().ok_or(Fail::Unsupported)?);
        if op == BigOp::Product {
            return Err(Fail::Unsupported);
        }
        let mut sum = self.domain.rat(&Rat::ZERO)?;
        let mut falling = 0;
        let mut last = f64::INFINITY;
        for j in 0..MAX_SERIES {
            let k = self
                .domain
                .rat(&Rat::int(from.saturating_add(i64::from(j))))?;
            let term = self.at(var, k, body)?;
            let size = self.domain.magnitude(&term);
            falling = if size < last - 0.4 { falling + 1 } else { 0 };
            last = size;
            sum = self.domain.add(&sum, &term)?;
            if falling >= 6 && size < self.domain.magnitude(&sum) - bits - 8.0 {
                return Ok(self.domain.widened(sum, size + 3.0));
            }
        }
        Err(Fail::Unsupported)
    }

    /// Three values close to the point, extrapolated; the error is what the last step changed.
    fn limit(&mut self, op: BigOp, var: NameId, to: Id, body: Id) -> Eval<D::Value> {
        let close = i64::from(self.domain.bits().ok_or(Fail::Unsupported)? / 4);
        let infinite = self.arena.as_infinity(to);
        let sign = match (infinite, op) {
            (Some(s), _) => i64::from(s),
            (None, BigOp::LimitFromBelow) => -1,
            _ => 1,
        };
        let centre = match infinite {
            Some(_) => None,
            None => Some(self.eval(to)?),
        };
        let mut near = Vec::with_capacity(3);
        for j in 0..3 {
            let power = if infinite.is_some() {
                close + j
            } else {
                -(close + j)
            };
            let step = Rat::int(2).powi(power).ok_or(Fail::Unsupported)?;
            let step = self.domain.rat(&step.mul(&Rat::int(sign)))?;
            let x = match &centre {
                Some(c) => self.domain.add(c, &step)?,
                None => step,
            };
            near.push(self.at(var, x, body)?);
        }
        let mut combine = |c: [i64; 3], below: i64| -> Eval<D::Value> {
            let mut sum = self.domain.rat(&Rat::ZERO)?;
            for (c, v) in c.into_iter().zip(&near) {
                let c = self
                    .domain
                    .rat(&Rat::ratio(c, below).ok_or(Fail::Undefined)?)?;
                let term = self.domain.mul(&c, v)?;
                sum = self.domain.add(&sum, &term)?;
            }
            Ok(sum)
        };
        let best = combine([1, -6, 8], 3)?;
        let change = combine([-1, 2, 0], 1)?;
        let minus = self.domain.rat(&Rat::int(-1))?;
        let change = self.domain.mul(&minus, &change)?;
        let change = self.domain.add(&best, &change)?;
        let size = self.domain.magnitude(&change);
        Ok(self.domain.widened(best, size))
    }
}
