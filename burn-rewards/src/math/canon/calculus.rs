//! Sums, products, derivatives and integrals in canonical form.

use super::arena::{Arena, Id, NameId, Node};
use crate::math::number::Eval;
use crate::math::number::rat::Rat;
use crate::math::tree::{BigOp, Constant, Function};

/// Sums and products of at most this many terms are written out.
const MAX_TERMS: i64 = 2_000;

/// Polynomials up to this degree are summed in closed form.
const MAX_DEGREE: u32 = 12;

/// From so many terms on a sum is asked whether it is geometric.
const LONG_SUM: i64 = 64;

/// Terms looked at before a series is taken for a geometric one.
const GEOMETRIC_TERMS: i64 = 6;

impl Arena {
    /// Whether the variable `var` occurs in `id`.
    pub fn depends(&self, id: Id, var: NameId) -> bool {
        match self.node(id) {
            Node::Rat(_) | Node::Const(_) => false,
            Node::Sym(v) => *v == var,
            Node::Pow(b, e) => self.depends(*b, var) || self.depends(*e, var),
            Node::Add(p) | Node::Mul(p) | Node::Call(_, p) | Node::Apply(_, p) => {
                p.iter().any(|x| self.depends(*x, var))
            }
            Node::Bound(_, v, lo, hi, body) => {
                lo.iter().chain(hi).any(|x| self.depends(*x, var))
                    || (*v != var && self.depends(*body, var))
            }
            Node::Choose(cases) => cases.iter().any(|(c, v)| {
                c.is_some_and(|c| self.depends(c.difference, var)) || self.depends(*v, var)
            }),
        }
    }

    /// `id` with `value` in place of the variable `var`.
    pub fn substitute(&mut self, id: Id, var: NameId, value: Id) -> Eval<Id> {
        self.fuel.spend(2)?;
        let node = self.node(id).clone();
        let each = |this: &mut Self, parts: &[Id]| -> Eval<Vec<Id>> {
            parts
                .iter()
                .map(|p| this.substitute(*p, var, value))
                .collect()
        };
        match node {
            Node::Rat(_) | Node::Const(_) => Ok(id),
            Node::Sym(v) => Ok(if v == var { value } else { id }),
            Node::Add(p) => {
                let p = each(self, &p)?;
                self.add(&p)
            }
            Node::Mul(p) => {
                let p = each(self, &p)?;
                self.mul(&p)
            }
            Node::Pow(b, e) => {
                let p = each(self, &[b, e])?;
                self.pow(p[0], p[1])
            }
            Node::Call(f, p) => {
                let p = each(self, &p)?;
                self.call(f, &p)
            }
            Node::Apply(f, p) => {
                let p = each(self, &p)?;
                self.intern(Node::Apply(f, p.into()))
            }
            Node::Bound(op, v, lo, hi, body) => {
                let lo = lo.map(|x| self.substitute(x, var, value)).transpose()?;
                let hi = hi.map(|x| self.substitute(x, var, value)).transpose()?;
                let body = if v == var {
                    body
                } else {
                    self.substitute(body, var, value)?
                };
                self.bound(op, v, lo, hi, body)
            }
            Node::Choose(cases) => {
                let mut out = Vec::with_capacity(cases.len());
                for (condition, v) in &cases {
                    let mut condition = *condition;
                    if let Some(c) = &mut condition {
                        c.difference = self.substitute(c.difference, var, value)?;
                    }
                    out.push((condition, self.substitute(*v, var, value)?));
                }
                self.intern(Node::Choose(out.into()))
            }
        }
    }

    /// An operator with a bound variable, worked out where that is exact.
    pub fn bound(
        &mut self,
        op: BigOp,
        var: NameId,
        lo: Option<Id>,
        hi: Option<Id>,
        body: Id,
    ) -> Eval<Id> {
        let done = match op {
            BigOp::Sum | BigOp::Product => match (lo, hi) {
                (Some(lo), Some(hi)) => self.series(op, var, lo, hi, body)?,
                _ => None,
            },
            BigOp::Derivative => {
                let order = hi.map_or(Some(1), |h| self.as_int(h));
                match order {
                    Some(n @ 0..=16) => {
                        let mut out = Some(body);
                        for _ in 0..n {
                            out = match out {
                                Some(b) => self.derivative(b, var)?,
                                None => None,
                            };
                        }
                        out
                    }
                    _ => None,
                }
            }
            BigOp::Integral => match (lo, hi) {
                (Some(lo), Some(hi)) => self.definite(var, lo, hi, body)?,
                _ => self.antiderivative(body, var)?,
            },
            BigOp::Limit | BigOp::LimitFromAbove | BigOp::LimitFromBelow => {
                if self.depends(body, var) {
                    None
                } else {
                    Some(body)
                }
            }
        };
        match done {
            Some(id) => Ok(id),
            None => self.intern(Node::Bound(op, var, lo, hi, body)),
        }
    }

    fn series(&mut self, op: BigOp, var: NameId, lo: Id, hi: Id, body: Id) -> Eval<Option<Id>> {
        let Some(from) = self.as_int(lo) else {
            return Ok(None);
        };
        let short = self
            .as_int(hi)
            .is_some_and(|to| to.saturating_sub(from) < MAX_TERMS);
        if op == BigOp::Sum
            && !short
            && self.as_infinity(hi).is_none()
            && let Some(degree) = self.degree(body, var)
        {
            return self.power_sum(var, from, hi, body, degree).map(Some);
        }
        if let Some(to) = self.as_int(hi) {
            if to < from {
                return self.int(i64::from(op == BigOp::Product)).map(Some);
            }
            if op == BigOp::Sum
                && to.saturating_sub(from) >= LONG_SUM
                && let Some(sum) = self.geometric_to(var, from, to, body)?
            {
                return Ok(Some(sum));
            }
            if to.saturating_sub(from) >= MAX_TERMS {
                return Ok(None);
            }
            let mut terms = Vec::new();
            for k in from..=to {
                let k = self.int(k)?;
                terms.push(self.substitute(body, var, k)?);
            }
            return match op {
                BigOp::Sum => self.add(&terms).map(Some),
                _ => self.mul(&terms).map(Some),
            };
        }
        if op == BigOp::Sum && self.as_infinity(hi) == Some(1) {
            return self.geometric(var, from, body);
        }
        Ok(None)
    }

    /// Degree of a polynomial in `var` of at most [`MAX_DEGREE`], `None` for anything else.
    fn degree(&self, id: Id, var: NameId) -> Option<u32> {
        let degree = match self.node(id) {
            _ if !self.depends(id, var) => 0,
            Node::Sym(_) => 1,
            Node::Add(parts) => {
                let each = parts.iter().map(|p| self.degree(*p, var));
                each.collect::<Option<Vec<_>>>()?.into_iter().max()?
            }
            Node::Mul(parts) => parts
                .iter()
                .map(|p| self.degree(*p, var))
                .sum::<Option<u32>>()?,
            Node::Pow(b, e) => {
                let e = u32::try_from(self.as_int(*e)?).ok()?;
                self.degree(*b, var)?.checked_mul(e)?
            }
            _ => return None,
        };
        (degree <= MAX_DEGREE).then_some(degree)
    }

    /// The sum of a polynomial over `from..=hi` by Newton's forward differences: with n terms,
    /// `Σ_j Δ^j p(from) · C(n, j + 1)`.
    fn power_sum(&mut self, var: NameId, from: i64, hi: Id, body: Id, degree: u32) -> Eval<Id> {
        let mut row = Vec::new();
        for k in 0..=i64::from(degree) {
            let at = self.int(from.saturating_add(k))?;
            row.push(self.substitute(body, var, at)?);
        }
        let before = self.int(1 - from)?;
        let terms = self.add(&[hi, before])?;
        let mut sum = Vec::new();
        // C(n, j + 1) = n (n - 1) … (n - j) / (j + 1)!
        let mut choose = self.int(1)?;
        for j in 0..=i64::from(degree) {
            let less = self.int(-j)?;
            let factor = self.add(&[terms, less])?;
            let below = self.rat(Rat::ratio(1, j + 1).unwrap_or(Rat::ONE))?;
            choose = self.mul(&[choose, factor, below])?;
            sum.push(self.mul(&[choose, row[0]])?);
            let mut next = Vec::with_capacity(row.len());
            for pair in row.windows(2) {
                next.push(self.sub(pair[1], pair[0])?);
            }
            row = next;
        }
        self.add(&sum)
    }

    /// The first term and the ratio of a geometric series: consecutive ratios are one and the same
    /// rational or form.
    fn ratio(&mut self, var: NameId, from: i64, body: Id) -> Eval<Option<(Id, Id)>> {
        let mut terms = Vec::new();
        for k in from..from + GEOMETRIC_TERMS {
            let k = self.int(k)?;
            terms.push(self.substitute(body, var, k)?);
        }
        let ratio = self.div(terms[1], terms[0])?;
        for pair in terms.windows(2) {
            if self.div(pair[1], pair[0])? != ratio {
                return Ok(None);
            }
        }
        Ok(Some((terms[0], ratio)))
    }

    /// The sum of a geometric series from `from` to `to`: `a (r^n - 1) / (r - 1)`.
    fn geometric_to(&mut self, var: NameId, from: i64, to: i64, body: Id) -> Eval<Option<Id>> {
        let Some((first, ratio)) = self.ratio(var, from, body)? else {
            return Ok(None);
        };
        if self.as_int(ratio) == Some(1) {
            return Ok(None);
        }
        let (one, count) = (self.int(1)?, self.int(to - from + 1)?);
        let power = self.pow(ratio, count)?;
        let (over, under) = (self.sub(power, one)?, self.sub(ratio, one)?);
        let sum = self.div(over, under)?;
        self.mul(&[first, sum]).map(Some)
    }

    /// The limit of a geometric series.
    fn geometric(&mut self, var: NameId, from: i64, body: Id) -> Eval<Option<Id>> {
        let Some((first, ratio)) = self.ratio(var, from, body)? else {
            return Ok(None);
        };
        if let Some(r) = self.as_rat(ratio)
            && r.abs() >= Rat::ONE
        {
            return Ok(None);
        }
        let one = self.int(1)?;
        let below = self.sub(one, ratio)?;
        self.div(first, below).map(Some)
    }

    /// Derivative, `None` for what has no rule here.
    pub fn derivative(&mut self, id: Id, var: NameId) -> Eval<Option<Id>> {
        self.fuel.spend(4)?;
        if !self.depends(id, var) {
            return self.int(0).map(Some);
        }
        match self.node(id).clone() {
            Node::Sym(_) => self.int(1).map(Some),
            Node::Add(parts) => {
                let mut out = Vec::with_capacity(parts.len());
                for p in &parts {
                    let Some(d) = self.derivative(*p, var)? else {
                        return Ok(None);
                    };
                    out.push(d);
                }
                self.add(&out).map(Some)
            }
            Node::Mul(parts) => {
                let mut out = Vec::with_capacity(parts.len());
                for (i, p) in parts.iter().enumerate() {
                    let Some(d) = self.derivative(*p, var)? else {
                        return Ok(None);
                    };
                    let mut factors = parts.to_vec();
                    factors[i] = d;
                    out.push(self.mul(&factors)?);
                }
                self.add(&out).map(Some)
            }
            Node::Pow(b, e) => {
                // b^e (e' ln b + e b' / b)
                let (Some(db), Some(de)) = (self.derivative(b, var)?, self.derivative(e, var)?)
                else {
                    return Ok(None);
                };
                let mut sum = Vec::new();
                if self.as_int(de) != Some(0) {
                    let ln = self.call(Function::Log, &[b])?;
                    let term = self.mul(&[id, de, ln])?;
                    sum.push(term);
                }
                let minus = self.int(-1)?;
                let less = self.add(&[e, minus])?;
                let lower = self.pow(b, less)?;
                sum.push(self.mul(&[e, lower, db])?);
                self.add(&sum).map(Some)
            }
            Node::Call(f, args) => {
                let [x] = args[..] else { return Ok(None) };
                let Some(outer) = self.outer_derivative(f, x)? else {
                    return Ok(None);
                };
                let Some(inner) = self.derivative(x, var)? else {
                    return Ok(None);
                };
                self.mul(&[outer, inner]).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn outer_derivative(&mut self, f: Function, x: Id) -> Eval<Option<Id>> {
        use Function as F;
        let minus = self.int(-1)?;
        let two = self.int(2)?;
        let one = self.int(1)?;
        Ok(Some(match f {
            F::Sin => self.call(F::Cos, &[x])?,
            F::Cos => {
                let s = self.call(F::Sin, &[x])?;
                self.neg(s)?
            }
            F::Tan => {
                let c = self.call(F::Cos, &[x])?;
                let power = self.int(-2)?;
                self.pow(c, power)?
            }
            F::Log => self.pow(x, minus)?,
            F::Sinh => self.call(F::Cosh, &[x])?,
            F::Cosh => self.call(F::Sinh, &[x])?,
            F::Arctan => {
                let sq = self.pow(x, two)?;
                let below = self.add(&[one, sq])?;
                self.pow(below, minus)?
            }
            F::Arcsin | F::Arccos => {
                let sq = self.pow(x, two)?;
                let below = self.sub(one, sq)?;
                let power = self.rat(Rat::Small(-1, 2))?;
                let d = self.pow(below, power)?;
                if f == F::Arcsin { d } else { self.neg(d)? }
            }
            _ => return Ok(None),
        }))
    }

    fn definite(&mut self, var: NameId, lo: Id, hi: Id, body: Id) -> Eval<Option<Id>> {
        let Some(primitive) = self.antiderivative(body, var)? else {
            return Ok(None);
        };
        let infinite = |this: &Self, x: Id| this.as_infinity(x).is_some();
        if infinite(self, lo) || infinite(self, hi) {
            return Ok(None);
        }
        // A pole between the ends would go unseen; only primitives without one are used.
        if !self.entire(primitive) && !self.same_side_powers(lo, hi) {
            return Ok(None);
        }
        let (a, b) = (
            self.substitute(primitive, var, lo)?,
            self.substitute(primitive, var, hi)?,
        );
        self.sub(b, a).map(Some)
    }

    /// Whether the expression has no pole or branch point anywhere.
    fn entire(&self, id: Id) -> bool {
        match self.node(id) {
            Node::Rat(_) | Node::Const(_) | Node::Sym(_) => true,
            Node::Add(p) | Node::Mul(p) => p.iter().all(|x| self.entire(*x)),
            Node::Pow(b, e) => match self.as_rat(*e) {
                Some(r) => {
                    r.is_int() && r.signum() > 0 && self.entire(*b) || self.as_rat(*b).is_some()
                }
                None => matches!(self.node(*b), Node::Const(Constant::E)) && self.entire(*e),
            },
            Node::Call(Function::Sin | Function::Cos | Function::Sinh | Function::Cosh, p) => {
                p.iter().all(|x| self.entire(*x))
            }
            Node::Call(Function::Arctan, p) => p.iter().all(|x| self.entire(*x)),
            _ => false,
        }
    }

    /// Both ends positive, or the lower one zero: `x^r` and `ln x` are smooth between.
    fn same_side_powers(&self, lo: Id, hi: Id) -> bool {
        let value = |id: Id| match self.node(id) {
            Node::Rat(r) => Some(r.to_f64()),
            Node::Const(Constant::E) => Some(std::f64::consts::E),
            Node::Const(Constant::Pi) => Some(std::f64::consts::PI),
            _ => None,
        };
        matches!((value(lo), value(hi)), (Some(a), Some(b)) if a >= 0.0 && b > a)
    }

    /// Antiderivative of sums of powers, exponentials, sines and cosines; `None` for the rest.
    pub fn antiderivative(&mut self, id: Id, var: NameId) -> Eval<Option<Id>> {
        self.fuel.spend(8)?;
        let x = self.intern(Node::Sym(var))?;
        if !self.depends(id, var) {
            return self.mul(&[id, x]).map(Some);
        }
        match self.node(id).clone() {
            Node::Add(parts) => {
                let mut out = Vec::with_capacity(parts.len());
                for p in &parts {
                    let Some(a) = self.antiderivative(*p, var)? else {
                        return Ok(None);
                    };
                    out.push(a);
                }
                self.add(&out).map(Some)
            }
            Node::Mul(parts) => {
                let (fixed, moving): (Vec<Id>, Vec<Id>) =
                    parts.iter().partition(|p| !self.depends(**p, var));
                if moving.len() == 1 {
                    let Some(a) = self.antiderivative(moving[0], var)? else {
                        return Ok(None);
                    };
                    let mut factors = fixed;
                    factors.push(a);
                    return self.mul(&factors).map(Some);
                }
                match self.expanded(id)? {
                    Some(sum) if sum != id => self.antiderivative(sum, var),
                    _ => Ok(None),
                }
            }
            Node::Sym(_) => self.power_rule(x, &Rat::ONE, &Rat::ONE),
            Node::Pow(b, e) => {
                if let (Some(r), Some(slope)) = (self.as_rat(e).cloned(), self.slope(b, var)?) {
                    return self.power_rule(b, &r, &slope);
                }
                if let (false, Some(slope)) = (self.depends(b, var), self.slope(e, var)?) {
                    let ln = self.call(Function::Log, &[b])?;
                    let slope = self.rat(slope)?;
                    let below = self.mul(&[slope, ln])?;
                    return self.div(id, below).map(Some);
                }
                match self.expanded(id)? {
                    Some(sum) if sum != id => self.antiderivative(sum, var),
                    _ => Ok(None),
                }
            }
            Node::Call(f @ (Function::Sin | Function::Cos), args) => {
                let Some(slope) = self.slope(args[0], var)? else {
                    return Ok(None);
                };
                let (of, sign) = match f {
                    Function::Sin => (Function::Cos, -1),
                    _ => (Function::Sin, 1),
                };
                let Some(c) = Rat::int(sign).div(&slope) else {
                    return Ok(None);
                };
                let (c, g) = (self.rat(c)?, self.call(of, &args)?);
                self.mul(&[c, g]).map(Some)
            }
            Node::Call(Function::Log, args) if args[0] == x => {
                let product = self.mul(&[x, id])?;
                self.sub(product, x).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// `∫ (base)^r` where `base` has the given slope.
    fn power_rule(&mut self, base: Id, r: &Rat, slope: &Rat) -> Eval<Option<Id>> {
        let next = r.add(&Rat::ONE);
        if next.is_zero() {
            let size = self.call(Function::Abs, &[base])?;
            let ln = self.call(Function::Log, &[size])?;
            let slope = self.rat(slope.clone())?;
            return self.div(ln, slope).map(Some);
        }
        let below = next.mul(slope);
        let (power, below) = (self.rat(next)?, self.rat(below)?);
        let raised = self.pow(base, power)?;
        self.div(raised, below).map(Some)
    }

    /// The rational slope of a linear form in `var`, `None` if it is not one.
    fn slope(&mut self, id: Id, var: NameId) -> Eval<Option<Rat>> {
        if !self.depends(id, var) {
            return Ok(None);
        }
        let Some(d) = self.derivative(id, var)? else {
            return Ok(None);
        };
        Ok(self.as_rat(d).filter(|r| !r.is_zero()).cloned())
    }

    /// A small product or power of sums multiplied out.
    fn expanded(&mut self, id: Id) -> Eval<Option<Id>> {
        let factors: Vec<Id> = match self.node(id).clone() {
            Node::Mul(parts) => {
                let mut out = Vec::new();
                for p in &parts {
                    match (self.node(*p).clone(), self.power_of_sum(*p)) {
                        (_, Some((b, n))) => out.extend(std::iter::repeat_n(b, n)),
                        _ => out.push(*p),
                    }
                }
                out
            }
            _ => match self.power_of_sum(id) {
                Some((b, n)) => vec![b; n],
                None => return Ok(None),
            },
        };
        let mut terms = vec![self.int(1)?];
        for f in factors {
            let parts = match self.node(f) {
                Node::Add(p) => p.to_vec(),
                _ => vec![f],
            };
            if terms.len() * parts.len() > 256 {
                return Ok(None);
            }
            let mut next = Vec::with_capacity(terms.len() * parts.len());
            for t in &terms {
                for p in &parts {
                    next.push(self.mul(&[*t, *p])?);
                }
            }
            terms = next;
        }
        self.add(&terms).map(Some)
    }

    fn power_of_sum(&self, id: Id) -> Option<(Id, usize)> {
        let Node::Pow(b, e) = self.node(id) else {
            return None;
        };
        let n = self.as_int(*e)?;
        (matches!(self.node(*b), Node::Add(_)) && (2..=12).contains(&n)).then_some((*b, n as usize))
    }
}
