//! Powers in canonical form.

use super::arena::{Arena, Id, Node};
use crate::math::number::rat::Rat;
use crate::math::number::{Eval, Fail};
use crate::math::tree::{Constant, Function};

/// Roots are looked for in radicands up to this bound; larger ones stay as written.
const MAX_RADICAND: i64 = 1_000_000_000_000;

impl Arena {
    /// `base ^ exponent`, principal value.
    pub fn pow(&mut self, base: Id, exponent: Id) -> Eval<Id> {
        self.fuel.spend(2)?;
        if let Some(e) = self.as_rat(exponent).cloned() {
            if e.is_zero() {
                return self.int(1);
            }
            if e.is_one() {
                return Ok(base);
            }
            if let Some(out) = self.pow_rational(base, &e)? {
                return Ok(out);
            }
        }
        match (self.node(base), self.node(exponent)) {
            (Node::Rat(b), _) if b.is_one() => return Ok(base),
            (Node::Const(Constant::Undefined), _) => return Ok(base),
            (Node::Const(Constant::E), Node::Call(Function::Log, x)) => return Ok(x[0]),
            _ => {}
        }
        self.intern(Node::Pow(base, exponent))
    }

    /// Square root.
    pub fn sqrt(&mut self, a: Id) -> Eval<Id> {
        let half = self.rat(Rat::Small(1, 2))?;
        self.pow(a, half)
    }

    fn pow_rational(&mut self, base: Id, e: &Rat) -> Eval<Option<Id>> {
        let whole = e.to_i64();
        match self.node(base).clone() {
            Node::Rat(b) => {
                if b.is_zero() {
                    return Ok(Some(if e.signum() > 0 {
                        base
                    } else {
                        self.constant(Constant::Undefined)?
                    }));
                }
                match whole {
                    Some(n) => match self.rat_power(&b, n)? {
                        Some(p) => self.rat(p).map(Some),
                        None => Ok(None),
                    },
                    None => self.root_of_rational(&b, e),
                }
            }
            Node::Const(Constant::I) => match whole {
                Some(n) => {
                    let unit = if n.rem_euclid(4) < 2 { 1 } else { -1 };
                    let unit = self.int(unit)?;
                    if n.rem_euclid(2) == 0 {
                        return Ok(Some(unit));
                    }
                    self.mul_raw(unit, base).map(Some)
                }
                None => Ok(None),
            },
            Node::Const(Constant::Infinity) => {
                if e.signum() < 0 {
                    self.int(0).map(Some)
                } else {
                    Ok(Some(base))
                }
            }
            Node::Pow(inner, f) if whole.is_some() => {
                let e = self.rat(e.clone())?;
                let exponent = self.mul(&[f, e])?;
                self.pow(inner, exponent).map(Some)
            }
            Node::Mul(parts) if whole.is_some() => {
                let e = self.rat(e.clone())?;
                let mut out = Vec::with_capacity(parts.len());
                for p in &parts {
                    out.push(self.pow(*p, e)?);
                }
                self.mul(&out).map(Some)
            }
            // A positive rational factor may leave a root.
            Node::Mul(parts) => match self.as_rat(parts[0]).cloned() {
                Some(c) if c.abs().is_one() => Ok(None),
                Some(c) => {
                    let e = self.rat(e.clone())?;
                    let sign = Rat::int(i64::from(c.signum()));
                    let size = self.rat(c.abs())?;
                    let size = self.pow(size, e)?;
                    let mut rest = vec![self.rat(sign)?];
                    rest.extend_from_slice(&parts[1..]);
                    let rest = self.mul(&rest)?;
                    let rest = self.pow(rest, e)?;
                    self.mul(&[size, rest]).map(Some)
                }
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn mul_raw(&mut self, unit: Id, other: Id) -> Eval<Id> {
        if self.as_int(unit) == Some(1) {
            return Ok(other);
        }
        self.intern(Node::Mul([unit, other].into()))
    }

    /// `b ^ (p/q)` in lowest terms with the powers that come out of the root taken out.
    fn root_of_rational(&mut self, b: &Rat, e: &Rat) -> Eval<Option<Id>> {
        let Rat::Small(p, q) = *e else {
            return Ok(None);
        };
        let Ok(index) = u32::try_from(q) else {
            return Ok(None);
        };
        if b.signum() < 0 {
            if q != 2 {
                return Ok(None);
            }
            let i = self.constant(Constant::I)?;
            let size = self.rat(b.abs())?;
            let root = self.sqrt(size)?;
            let root = self.mul(&[i, root])?;
            let p = self.int(p)?;
            return self.pow(root, p).map(Some);
        }
        if let Some(root) = self.rat_root(b, index)? {
            let root = self.rat(root)?;
            let p = self.int(p)?;
            return self.pow(root, p).map(Some);
        }
        let Rat::Small(n, d) = *b else {
            return Ok(None);
        };
        // (n/d)^(p/q) = n^(p/q) d^(-p/q), each with its whole powers outside.
        if n > MAX_RADICAND || d > MAX_RADICAND {
            return Ok(None);
        }
        let mut factors = Vec::new();
        for (value, sign) in [(n, 1), (d, -1)] {
            for (prime, multiplicity) in self.small_factors(value)? {
                let Some(times) = p.checked_mul(sign * multiplicity) else {
                    return Ok(None);
                };
                let total = Rat::ratio(times, q).ok_or(Fail::Undefined)?;
                let floor = total.floor();
                let fraction = total.sub(&floor);
                let prime = Rat::int(prime);
                let Some(whole) = floor.to_i64() else {
                    return Ok(None);
                };
                match self.rat_power(&prime, whole)? {
                    Some(out) => factors.push(self.rat(out)?),
                    None => return Ok(None),
                }
                if !fraction.is_zero() {
                    let (base, exponent) = (self.rat(prime)?, self.rat(fraction)?);
                    factors.push(self.intern(Node::Pow(base, exponent))?);
                }
            }
        }
        // Not through `mul`, which would come back here for equal bases.
        self.join_roots(&factors).map(Some)
    }

    /// Product of rationals and of roots of distinct primes.
    fn join_roots(&mut self, factors: &[Id]) -> Eval<Id> {
        let mut coefficient = Rat::ONE;
        let mut roots = Vec::new();
        for f in factors {
            match self.as_rat(*f).cloned() {
                Some(r) => coefficient = self.rat_product(&coefficient, &r)?,
                None => roots.push(*f),
            }
        }
        roots.sort_unstable();
        if roots.is_empty() || !coefficient.is_one() {
            let c = self.rat(coefficient)?;
            roots.insert(0, c);
        }
        match roots[..] {
            [one] => Ok(one),
            _ => self.intern(Node::Mul(roots.into())),
        }
    }

    /// Prime powers of `value`; a cofactor without small divisors counts as prime.
    fn small_factors(&mut self, value: i64) -> Eval<Vec<(i64, i64)>> {
        let mut out = Vec::new();
        let mut rest = value;
        let mut d = 2;
        while d * d <= rest && d < 2_000 {
            let mut times = 0;
            while rest % d == 0 {
                rest /= d;
                times += 1;
            }
            if times > 0 {
                out.push((d, times));
            }
            d += if d == 2 { 1 } else { 2 };
        }
        self.fuel.spend(d as u64 / 4)?;
        if rest > 1 {
            out.push((rest, 1));
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::number::Fuel;

    /// Powers under a root are long numbers; a sum of a thousand of them took 18 ms.
    #[test]
    fn what_comes_out_of_a_root_is_paid_for() {
        let root = |steps| {
            let mut arena = Arena::new(Fuel::new(steps), Fuel::new(0));
            let base = arena.rat(Rat::Small(1, 997))?;
            let exponent = arena.rat(Rat::Small(15_625, 6))?;
            arena.pow(base, exponent)
        };
        assert_eq!(root(10_000), Err(Fail::Fuel));
        assert!(root(100_000).is_ok());
    }

    #[test]
    fn an_exponent_beyond_a_word_stays_as_it_is() {
        let mut arena = Arena::new(Fuel::new(100_000), Fuel::new(0));
        let base = arena.rat(Rat::int(8)).unwrap();
        let exponent = arena.rat(Rat::Small(i64::MAX, 2)).unwrap();
        let power = arena.pow(base, exponent).unwrap();
        assert_eq!(*arena.node(power), Node::Pow(base, exponent));
    }
}
