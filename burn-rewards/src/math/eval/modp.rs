//! Arithmetic modulo a prime near 2^61: polynomials, rational functions and exponentials with
//! integer exponents are compared without ever being expanded (Schwartz 1980, Zippel 1979).
//!
//! What has no value modulo a prime (a root, π, a sine) becomes a random value that depends only
//! on the function and its argument. Then equality still proves equality, a difference proves
//! nothing, and [`Fp::exact`] is false.

use std::cmp::Ordering;

use super::walk::Domain;
use crate::math::number::rat::Rat;
use crate::math::number::{Eval, Fail, hash_name, mix};
use crate::math::tree::{Constant, Function};

/// The Mersenne prime 2^61 - 1.
pub const MERSENNE_61: u64 = (1 << 61) - 1;

/// Another prime, 2^61 - 31, for which powers of two have no short cycle.
pub const SECOND_PRIME: u64 = (1 << 61) - 31;

/// Exponents beyond this would make Fermat's little theorem usable for a forgery.
const MAX_EXPONENT: u64 = 1 << 60;

/// A residue, and the same number modulo `p - 1` where it may stand in an exponent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fp {
    /// Residue modulo `p`.
    pub value: u64,
    /// Residue modulo `p - 1` of the same integer.
    exponent: Option<u64>,
    /// Whether the value is the image of the expression, not of a stand-in.
    pub exact: bool,
}

/// Integers modulo `p` with variables drawn from `seed`.
pub struct ModP {
    p: u64,
    seed: u64,
}

impl ModP {
    /// The field of `p` elements at the point numbered `seed`.
    pub fn new(p: u64, seed: u64) -> Self {
        Self {
            p,
            seed: mix(seed ^ 0x6d61_7468),
        }
    }

    fn mul_mod(&self, a: u64, b: u64, m: u64) -> u64 {
        let wide = u128::from(a) * u128::from(b);
        if m == MERSENNE_61 {
            let folded = (wide as u64 & MERSENNE_61) + (wide >> 61) as u64;
            return if folded >= MERSENNE_61 {
                folded - MERSENNE_61
            } else {
                folded
            };
        }
        (wide % u128::from(m)) as u64
    }

    fn add_mod(a: u64, b: u64, m: u64) -> u64 {
        let sum = a + b;
        if sum >= m { sum - m } else { sum }
    }

    fn pow_mod(&self, base: u64, mut e: u64) -> u64 {
        let (mut acc, mut square) = (1, base);
        while e > 0 {
            if e & 1 == 1 {
                acc = self.mul_mod(acc, square, self.p);
            }
            square = self.mul_mod(square, square, self.p);
            e >>= 1;
        }
        acc
    }

    fn inverse(&self, a: u64) -> Eval<u64> {
        if a == 0 {
            Err(Fail::Undefined)
        } else {
            Ok(self.pow_mod(a, self.p - 2))
        }
    }

    fn stand_in(&self, kind: u64, args: &[Fp]) -> Fp {
        let h = args
            .iter()
            .fold(mix(kind ^ self.seed), |h, a| mix(h ^ a.value));
        Fp {
            value: h % self.p,
            exponent: None,
            exact: false,
        }
    }

    fn reduced(&self, r: &Rat, m: u64) -> (u64, u64) {
        match r {
            Rat::Small(n, d) => (n.rem_euclid(m as i64) as u64, *d as u64 % m),
            Rat::Big(_) => {
                let (n, d) = r.parts();
                let n = {
                    use dashu_int::ops::RemEuclid;
                    n.rem_euclid(dashu_int::IBig::from(m))
                };
                (u64::try_from(n).unwrap_or(0), d % m)
            }
        }
    }
}

impl Domain for ModP {
    type Value = Fp;
    const COST: u64 = 1;
    const CALL_COST: u64 = 30;

    fn rat(&mut self, r: &Rat) -> Eval<Fp> {
        let (n, d) = self.reduced(r, self.p);
        if r.is_int() {
            return Ok(Fp {
                value: n,
                exponent: Some(self.reduced(r, self.p - 1).0),
                exact: true,
            });
        }
        let value = self.mul_mod(n, self.inverse(d)?, self.p);
        Ok(Fp {
            value,
            exponent: None,
            exact: true,
        })
    }

    fn constant(&mut self, c: Constant) -> Eval<Fp> {
        match c {
            Constant::Infinity | Constant::Undefined => Err(Fail::Undefined),
            _ => Ok(self.stand_in(c as u64 + 1, &[])),
        }
    }

    fn symbol(&mut self, name: &str) -> Eval<Fp> {
        let s = mix(hash_name(name) ^ self.seed) % MAX_EXPONENT;
        Ok(Fp {
            value: s % self.p,
            exponent: Some(s % (self.p - 1)),
            exact: true,
        })
    }

    fn add(&mut self, a: &Fp, b: &Fp) -> Eval<Fp> {
        let m = self.p - 1;
        Ok(Fp {
            value: Self::add_mod(a.value, b.value, self.p),
            exponent: a
                .exponent
                .zip(b.exponent)
                .map(|(a, b)| Self::add_mod(a, b, m)),
            exact: a.exact && b.exact,
        })
    }

    fn mul(&mut self, a: &Fp, b: &Fp) -> Eval<Fp> {
        let m = self.p - 1;
        Ok(Fp {
            value: self.mul_mod(a.value, b.value, self.p),
            exponent: a
                .exponent
                .zip(b.exponent)
                .map(|(a, b)| self.mul_mod(a, b, m)),
            exact: a.exact && b.exact,
        })
    }

    fn pow(&mut self, b: &Fp, e: &Fp, exact: Option<&Rat>) -> Eval<Fp> {
        if let Some(r) = exact {
            let Rat::Small(n, d) = r else {
                return Err(Fail::Unsupported);
            };
            if n.unsigned_abs() > MAX_EXPONENT {
                return Err(Fail::Unsupported);
            }
            let (base, is_root) = if *d == 1 {
                (*b, false)
            } else {
                let index = Fp {
                    value: *d as u64,
                    exponent: None,
                    exact: true,
                };
                (self.stand_in(1_000, &[*b, index]), true)
            };
            let raised = self.pow_mod(base.value, n.unsigned_abs());
            let value = if *n < 0 {
                self.inverse(raised)?
            } else {
                raised
            };
            let exponent = match (b.exponent, u32::try_from(*n)) {
                (Some(x), Ok(n)) if !is_root && n <= 64 => {
                    let m = self.p - 1;
                    Some((0..n).fold(1, |acc, _| self.mul_mod(acc, x, m)))
                }
                _ => None,
            };
            return Ok(Fp {
                value,
                exponent,
                exact: base.exact,
            });
        }
        match e.exponent {
            Some(k) if b.value != 0 => Ok(Fp {
                value: self.pow_mod(b.value, k),
                exponent: None,
                exact: b.exact && e.exact,
            }),
            Some(_) => Err(Fail::Undefined),
            None => Ok(self.stand_in(1_001, &[*b, *e])),
        }
    }

    fn call(&mut self, f: Function, args: &[Fp]) -> Eval<Fp> {
        Ok(self.stand_in(2_000 + f as u64, args))
    }

    fn sign(&mut self, _: &Fp) -> Eval<Ordering> {
        Err(Fail::Unsupported)
    }

    fn integer(&self, _: &Fp) -> Eval<i64> {
        Err(Fail::Unsupported)
    }

    fn magnitude(&self, _: &Fp) -> f64 {
        0.0
    }

    fn bits(&self) -> Option<u32> {
        None
    }

    fn widened(&self, v: Fp, _: f64) -> Fp {
        v
    }
}
