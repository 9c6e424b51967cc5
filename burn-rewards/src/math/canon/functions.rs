//! Functions of known meaning in canonical form: exact where the arguments are rational.

use dashu_int::IBig;

use super::arena::{Arena, Id, Node};
use crate::math::number::Eval;
use crate::math::number::rat::{Rat, gcd_rat};
use crate::math::tree::{Constant, Function};

/// Largest argument of a factorial that is multiplied out.
const MAX_FACTORIAL: i64 = 2_500;

/// Largest `n` and `k` of a binomial coefficient multiplied out.
const MAX_BINOMIAL: (i64, i64) = (4_000, 1_000);

impl Arena {
    /// `function(args)`.
    pub fn call(&mut self, function: Function, args: &[Id]) -> Eval<Id> {
        if let Some(exact) = self.exact_call(function, args)? {
            return Ok(exact);
        }
        if let [x] = *args
            && let Some(out) = self.rewritten(function, x)?
        {
            return Ok(out);
        }
        self.intern(Node::Call(function, args.into()))
    }

    /// Forms that are defined by others.
    fn rewritten(&mut self, function: Function, x: Id) -> Eval<Option<Id>> {
        use Function as F;
        let reciprocal = match function {
            F::Cot => Some(F::Tan),
            F::Sec => Some(F::Cos),
            F::Csc => Some(F::Sin),
            F::Coth => Some(F::Tanh),
            _ => None,
        };
        if let Some(of) = reciprocal {
            let below = self.call(of, &[x])?;
            let minus = self.int(-1)?;
            return self.pow(below, minus).map(Some);
        }
        match function {
            F::Exp => {
                let e = self.constant(Constant::E)?;
                self.pow(e, x).map(Some)
            }
            F::Degrees => {
                let pi = self.constant(Constant::Pi)?;
                let unit = self.rat(Rat::Small(1, 180))?;
                self.mul(&[x, pi, unit]).map(Some)
            }
            F::Arcsec | F::Arccsc => {
                let minus = self.int(-1)?;
                let inverse = self.pow(x, minus)?;
                let of = if function == F::Arcsec {
                    F::Arccos
                } else {
                    F::Arcsin
                };
                self.call(of, &[inverse]).map(Some)
            }
            F::Arccot => {
                let minus = self.int(-1)?;
                if self.as_int(x) == Some(0) {
                    let (pi, half) = (self.constant(Constant::Pi)?, self.rat(Rat::Small(1, 2))?);
                    return self.mul(&[pi, half]).map(Some);
                }
                let inverse = self.pow(x, minus)?;
                self.call(F::Arctan, &[inverse]).map(Some)
            }
            F::Log => match self.node(x) {
                Node::Const(Constant::E) => self.int(1).map(Some),
                Node::Pow(b, e) if matches!(self.node(*b), Node::Const(Constant::E)) => {
                    // Only a real exponent is surely on the principal branch.
                    let e = *e;
                    Ok(self.as_rat(e).is_some().then_some(e))
                }
                _ => Ok(None),
            },
            F::Gamma => {
                let minus = self.int(-1)?;
                let n = self.add(&[x, minus])?;
                self.call(F::Factorial, &[n]).map(Some)
            }
            F::Abs => match self.split_term(x)? {
                (c, Some(rest)) if c.signum() < 0 || !c.is_one() => {
                    let inner = self.call(F::Abs, &[rest])?;
                    let c = self.rat(c.abs())?;
                    self.mul(&[c, inner]).map(Some)
                }
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn exact_call(&mut self, function: Function, args: &[Id]) -> Eval<Option<Id>> {
        use Function as F;
        let mut values = Vec::with_capacity(args.len());
        for a in args {
            match self.as_rat(*a) {
                Some(r) => values.push(r.clone()),
                None => return self.exact_call_partly(function, args),
            }
        }
        let words: Option<Vec<i64>> = values.iter().map(Rat::to_i64).collect();
        let value = match (function, &values[..]) {
            (F::Sin | F::Tan | F::Arcsin | F::Arctan | F::Sinh | F::Tanh, [x])
            | (F::Arsinh | F::Artanh, [x])
                if x.is_zero() =>
            {
                Some(Rat::ZERO)
            }
            (F::Cos | F::Cosh, [x]) if x.is_zero() => Some(Rat::ONE),
            (F::Log, [x]) if x.is_one() => Some(Rat::ZERO),
            (F::Abs, [x]) => Some(x.abs()),
            (F::Floor, [x]) => Some(x.floor()),
            (F::Ceil, [x]) => Some(x.neg().floor().neg()),
            (F::Sign, [x]) => Some(Rat::int(i64::from(x.signum()))),
            (F::Re | F::Conjugate, [x]) => Some(x.clone()),
            (F::Im, [_]) => Some(Rat::ZERO),
            (F::Arg, [x]) if x.signum() > 0 => Some(Rat::ZERO),
            (F::Max, _) => values.iter().max().cloned(),
            (F::Min, _) => values.iter().min().cloned(),
            (F::Gcd | F::Lcm, _) => return self.common(function, &values),
            (F::Mod, [a, m]) => self.remainder(a, m)?,
            _ => match (function, words.as_deref()) {
                (F::Factorial, Some([n])) => self.falling(*n, *n, 1)?,
                (F::DoubleFactorial, Some([n])) => self.falling(*n, (*n + 1) / 2, 2)?,
                (F::Permutations | F::FallingFactorial, Some([n, k])) => self.falling(*n, *k, 1)?,
                (F::Binomial, Some([n, k])) => self.binomial(*n, *k)?,
                _ => None,
            },
        };
        value.map(|v| self.rat(v)).transpose()
    }

    /// Maxima and the like with unequal forms: nothing is known.
    fn exact_call_partly(&mut self, function: Function, args: &[Id]) -> Eval<Option<Id>> {
        use Function as F;
        match function {
            F::Max | F::Min | F::Gcd | F::Lcm => {
                let mut sorted = args.to_vec();
                sorted.sort_unstable();
                sorted.dedup();
                match sorted[..] {
                    [one] => Ok(Some(one)),
                    _ => self.intern(Node::Call(function, sorted.into())).map(Some),
                }
            }
            // `n` over 0, 1, 2, 3 is a polynomial in `n`.
            F::Binomial | F::Permutations | F::FallingFactorial => {
                match (args, self.as_int(args[1])) {
                    (&[n, _], Some(k @ 0..=8)) => {
                        let mut factors = Vec::new();
                        for j in 0..k {
                            let j = self.int(-j)?;
                            factors.push(self.add(&[n, j])?);
                        }
                        if function == F::Binomial {
                            let below: i64 = (1..=k).product();
                            factors.push(
                                self.rat(
                                    Rat::Small(1, 1).div(&Rat::int(below)).unwrap_or(Rat::ONE),
                                )?,
                            );
                        }
                        self.mul(&factors).map(Some)
                    }
                    _ => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }

    /// `a - m floor(a / m)`, `None` for a modulus of zero.
    fn remainder(&mut self, a: &Rat, m: &Rat) -> Eval<Option<Rat>> {
        let Some(quotient) = self.rat_quotient(a, m)? else {
            return Ok(None);
        };
        let multiple = self.rat_product(&quotient.floor(), m)?;
        self.rat_sum(a, &multiple.neg()).map(Some)
    }

    fn common(&mut self, function: Function, values: &[Rat]) -> Eval<Option<Id>> {
        let mut acc = match values.first() {
            Some(v) if v.is_int() => v.abs(),
            _ => return Ok(None),
        };
        for v in &values[1..] {
            // Two divisors: the product is as long as both.
            self.fuel.spend(1 + 4 * acc.work(v))?;
            let words = ((acc.bits() + v.bits()) / 64) as u64;
            self.fuel.spend(words * words / 3)?;
            let Some(g) = gcd_rat(&acc, v) else {
                return Ok(None);
            };
            acc = match function {
                Function::Gcd => g,
                _ if g.is_zero() => Rat::ZERO,
                _ => match acc.mul(&v.abs()).div(&g) {
                    Some(l) => l,
                    None => return Ok(None),
                },
            };
        }
        self.rat(acc).map(Some)
    }

    /// `n (n - step) (n - 2 step) …`, `count` factors.
    fn falling(&mut self, n: i64, count: i64, step: i64) -> Eval<Option<Rat>> {
        if n < 0 || count < 0 || n > MAX_FACTORIAL || count > n + 1 {
            return Ok(None);
        }
        self.charge_product(count)?;
        Ok(Some(Rat::from_ibig(product(
            (0..count).map(|j| n - j * step),
        ))))
    }

    fn binomial(&mut self, n: i64, k: i64) -> Eval<Option<Rat>> {
        if !(0..=MAX_BINOMIAL.0).contains(&n) {
            return Ok(None);
        }
        if k < 0 || k > n {
            return Ok(Some(Rat::ZERO));
        }
        let k = k.min(n - k);
        if k > MAX_BINOMIAL.1 {
            return Ok(None);
        }
        self.charge_product(3 * k)?;
        let above = product((0..k).map(|j| n - j));
        Ok(Some(Rat::from_ibig(above / product(1..=k))))
    }

    /// Charges for a product of `count` small integers.
    fn charge_product(&mut self, count: i64) -> Eval<()> {
        let count = count.unsigned_abs();
        self.fuel.spend(count + count * count / 400)
    }
}

/// Product of small integers, a word at a time.
fn product(factors: impl Iterator<Item = i64>) -> IBig {
    let (mut out, mut word) = (IBig::ONE, 1_i64);
    for f in factors {
        match word.checked_mul(f) {
            Some(w) => word = w,
            None => {
                out *= IBig::from(word);
                word = f;
            }
        }
    }
    out * IBig::from(word)
}
