//! Complex doubles with an error bound: cheap, and enough to tell unequal values apart.
//!
//! Elementary functions come from `libm`, whose results do not depend on the machine.

use std::cmp::Ordering;

use super::walk::Domain;
use crate::math::number::rat::Rat;
use crate::math::number::{Eval, Fail, Fuel};
use crate::math::tree::{Constant, Function};

/// Rounding unit of one operation, with room for functions that are off by an ulp.
const EPS: f64 = 4.5e-16;

/// A complex number known up to `err`.
#[derive(Debug, Clone, Copy)]
pub struct C64 {
    /// Real part.
    pub re: f64,
    /// Imaginary part.
    pub im: f64,
    /// Bound of the absolute error.
    pub err: f64,
    /// Whether the imaginary part is zero by construction.
    pub real: bool,
}

impl C64 {
    fn real(re: f64, err: f64) -> Eval<Self> {
        Self {
            re,
            im: 0.0,
            err,
            real: true,
        }
        .checked()
    }

    fn complex(re: f64, im: f64, err: f64) -> Eval<Self> {
        Self {
            re,
            im,
            err,
            real: false,
        }
        .checked()
    }

    fn checked(self) -> Eval<Self> {
        let finite = self.re.is_finite() && self.im.is_finite() && self.err.is_finite();
        if finite {
            Ok(self)
        } else {
            Err(Fail::Undefined)
        }
    }

    /// Absolute value.
    pub fn abs(self) -> f64 {
        if self.real {
            self.re.abs()
        } else {
            libm::hypot(self.re, self.im)
        }
    }

    fn arg(self) -> f64 {
        libm::atan2(self.im, self.re)
    }

    fn close_to_cut(self) -> bool {
        !self.real && self.re <= self.err && self.im.abs() <= self.err
    }

    fn scale(self, by: f64) -> Self {
        Self {
            re: self.re * by,
            im: self.im * by,
            err: self.err * by.abs() + EPS * self.abs() * by.abs(),
            real: self.real,
        }
    }

    fn times_i(self) -> Self {
        Self {
            re: -self.im,
            im: self.re,
            err: self.err,
            real: false,
        }
    }
}

fn add(a: C64, b: C64) -> Eval<C64> {
    let out = C64 {
        re: a.re + b.re,
        im: a.im + b.im,
        err: 0.0,
        real: a.real && b.real,
    };
    let exact = a.err == 0.0 && b.err == 0.0 && out.re - a.re == b.re && out.im - a.im == b.im;
    let rounding = if exact && out.abs() < 9e15 && small(a) && small(b) {
        0.0
    } else {
        EPS * out.abs()
    };
    C64 {
        err: a.err + b.err + rounding,
        ..out
    }
    .checked()
}

/// A multiple of 2^-20 below 2^30: sums of such numbers are exact.
fn small(a: C64) -> bool {
    let fits = |x: f64| x.abs() < 1e9 && (x * 1_048_576.0).fract() == 0.0;
    fits(a.re) && fits(a.im)
}

fn mul(a: C64, b: C64) -> Eval<C64> {
    let (re, im) = if a.real && b.real {
        (a.re * b.re, 0.0)
    } else {
        (a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re)
    };
    let (x, y) = (a.abs(), b.abs());
    let err = a.err * y + b.err * x + a.err * b.err + 2.0 * EPS * x * y;
    C64 {
        re,
        im,
        err,
        real: a.real && b.real,
    }
    .checked()
}

fn inverse(a: C64) -> Eval<C64> {
    let size = a.abs();
    if size <= a.err * 2.0 || size == 0.0 {
        return Err(if a.err == 0.0 {
            Fail::Undefined
        } else {
            Fail::IllConditioned
        });
    }
    let err = 2.0 * a.err / (size * size) + 2.0 * EPS / size;
    if a.real {
        return C64::real(1.0 / a.re, err);
    }
    let below = size * size;
    if below == 0.0 {
        return Err(Fail::IllConditioned);
    }
    C64::complex(a.re / below, -a.im / below, err)
}

fn exp(a: C64) -> Eval<C64> {
    let size = libm::exp(a.re);
    let grown = if a.err < 0.5 {
        2.0 * a.err
    } else {
        return Err(Fail::IllConditioned);
    };
    let err = size * (grown + EPS * (2.0 + a.abs()));
    if a.real {
        return C64::real(size, err);
    }
    C64::complex(size * libm::cos(a.im), size * libm::sin(a.im), err)
}

fn ln(a: C64) -> Eval<C64> {
    let size = a.abs();
    if size <= 2.0 * a.err || a.close_to_cut() {
        return Err(if a.err == 0.0 {
            Fail::Undefined
        } else {
            Fail::IllConditioned
        });
    }
    let re = libm::log(size);
    let err = 2.0 * a.err / size + EPS * (re.abs() + 4.0);
    if a.real && a.re > 0.0 {
        return C64::real(re, err);
    }
    C64::complex(re, a.arg(), err)
}

fn sqrt(a: C64) -> Eval<C64> {
    let size = a.abs();
    if size == 0.0 && a.err == 0.0 {
        return C64::real(0.0, 0.0);
    }
    if size <= 2.0 * a.err {
        // The root of what may be zero: only its size is known.
        return C64::complex(0.0, 0.0, 2.0 * libm::sqrt(a.err));
    }
    let err = a.err / libm::sqrt(size) + EPS * libm::sqrt(size);
    if a.real {
        let root = libm::sqrt(a.re.abs());
        return if a.re > 0.0 {
            C64::real(root, err)
        } else {
            C64::complex(0.0, root, err)
        };
    }
    if a.close_to_cut() {
        return Err(Fail::IllConditioned);
    }
    let (root, half) = (libm::sqrt(size), a.arg() / 2.0);
    C64::complex(root * libm::cos(half), root * libm::sin(half), 4.0 * err)
}

fn powi(a: C64, n: u64) -> Eval<C64> {
    let mut acc = C64::real(1.0, 0.0)?;
    let (mut square, mut n) = (a, n);
    loop {
        if n & 1 == 1 {
            acc = mul(acc, square)?;
        }
        n >>= 1;
        if n == 0 {
            return Ok(acc);
        }
        square = mul(square, square)?;
    }
}

fn sin_cos(a: C64) -> Eval<(C64, C64)> {
    if a.err > 0.5 || a.re.abs() > 1e9 {
        return Err(Fail::IllConditioned);
    }
    let (s, c) = (libm::sin(a.re), libm::cos(a.re));
    if a.real {
        let err = a.err + EPS * (1.0 + a.re.abs() * 1e-3);
        return Ok((C64::real(s, err)?, C64::real(c, err)?));
    }
    let (sh, ch) = (libm::sinh(a.im), libm::cosh(a.im));
    let err = ch * (2.0 * a.err + 4.0 * EPS);
    Ok((
        C64::complex(s * ch, c * sh, err)?,
        C64::complex(c * ch, -s * sh, err)?,
    ))
}

fn sinh_cosh(a: C64) -> Eval<(C64, C64)> {
    let (up, down) = (exp(a)?, exp(a.scale(-1.0))?);
    let cosh = add(up, down)?.scale(0.5);
    let sinh = add(up, down.scale(-1.0))?.scale(0.5);
    Ok((sinh, cosh))
}

fn asin(a: C64) -> Eval<C64> {
    if a.real && a.re.abs() <= 1.0 {
        // Near the ends the slope is unbounded; the error of a value is that of a square root.
        let slope = libm::sqrt(1.0 - a.re * a.re);
        let err = if a.err == 0.0 {
            0.0
        } else if slope > libm::sqrt(a.err) {
            2.0 * a.err / slope
        } else {
            2.0 * libm::sqrt(a.err)
        };
        return C64::real(libm::asin(a.re), err + 4.0 * EPS);
    }
    // -i ln(i a + sqrt(1 - a²))
    let one = C64::real(1.0, 0.0)?;
    let root = sqrt(add(one, mul(a, a)?.scale(-1.0))?)?;
    Ok(ln(add(a.times_i(), root)?)?.times_i().scale(-1.0))
}

fn atan(a: C64) -> Eval<C64> {
    if a.real {
        return C64::real(
            libm::atan(a.re),
            a.err / (1.0 + a.re * a.re) * 2.0 + 2.0 * EPS,
        );
    }
    // (i/2) (ln(1 - i a) - ln(1 + i a))
    let one = C64::real(1.0, 0.0)?;
    let (minus, plus) = (add(one, a.times_i().scale(-1.0))?, add(one, a.times_i())?);
    Ok(add(ln(minus)?, ln(plus)?.scale(-1.0))?.times_i().scale(0.5))
}

fn area(f: Function, a: C64) -> Eval<C64> {
    let one = C64::real(1.0, 0.0)?;
    match f {
        Function::Arsinh => ln(add(a, sqrt(add(mul(a, a)?, one)?)?)?),
        Function::Arcosh => {
            let (up, down) = (add(a, one)?, add(a, one.scale(-1.0))?);
            ln(add(a, mul(sqrt(up)?, sqrt(down)?)?)?)
        }
        _ => {
            let (up, down) = (add(one, a)?, add(one, a.scale(-1.0))?);
            Ok(add(ln(up)?, ln(down)?.scale(-1.0))?.scale(0.5))
        }
    }
}

/// The integer a value is, if it is real and within its error of exactly one.
fn whole(a: C64) -> Eval<i64> {
    let near = libm::round(a.re);
    let is_whole = a.real && near.abs() < 1e15 && (a.re - near).abs() <= a.err.max(1e-12);
    if is_whole && a.err < 1e-6 {
        Ok(near as i64)
    } else {
        Err(Fail::Unsupported)
    }
}

fn factorial(a: C64, fuel: &mut Fuel) -> Eval<C64> {
    if !a.real {
        return Err(Fail::Unsupported);
    }
    fuel.spend(20)?;
    let value = libm::tgamma(a.re + 1.0);
    // The slope of Γ is ψ Γ; |ψ| is below ln(|x| + 2) + 3 away from the poles.
    let slope = libm::log(a.re.abs() + 2.0) + 3.0;
    C64::real(
        value,
        value.abs() * (a.err * slope + 1e-14 * (1.0 + a.re.abs())),
    )
}

fn falling(n: C64, k: i64, fuel: &mut Fuel) -> Eval<C64> {
    if !(0..=2_000).contains(&k) {
        return Err(Fail::Unsupported);
    }
    let mut product = C64::real(1.0, 0.0)?;
    for j in 0..k {
        fuel.spend(2)?;
        product = mul(product, add(n, C64::real(-j as f64, 0.0)?)?)?;
    }
    Ok(product)
}

/// Complex doubles at the point numbered `point`.
pub struct Doubles<'a> {
    /// Value of a variable.
    pub symbols: &'a dyn Fn(&str) -> Rat,
    /// Work limit of functions that loop.
    pub fuel: Fuel,
}

impl Domain for Doubles<'_> {
    type Value = C64;
    const COST: u64 = 1;
    const CALL_COST: u64 = 8;

    fn rat(&mut self, r: &Rat) -> Eval<C64> {
        let v = r.to_f64();
        let exact = matches!(r, Rat::Small(n, d) if n.unsigned_abs() < 1 << 53
            && d.count_ones() == 1);
        C64::real(v, if exact { 0.0 } else { EPS * v.abs() })
    }

    fn constant(&mut self, c: Constant) -> Eval<C64> {
        use std::f64::consts;
        let v = match c {
            Constant::Pi => consts::PI,
            Constant::E => consts::E,
            Constant::EulerGamma => 0.577_215_664_901_532_9,
            Constant::I => return C64::complex(0.0, 1.0, 0.0),
            Constant::Infinity | Constant::Undefined => return Err(Fail::Undefined),
        };
        C64::real(v, EPS * v)
    }

    fn symbol(&mut self, name: &str) -> Eval<C64> {
        let r = (self.symbols)(name);
        self.rat(&r)
    }

    fn add(&mut self, a: &C64, b: &C64) -> Eval<C64> {
        add(*a, *b)
    }

    fn mul(&mut self, a: &C64, b: &C64) -> Eval<C64> {
        mul(*a, *b)
    }

    fn pow(&mut self, b: &C64, e: &C64, exact: Option<&Rat>) -> Eval<C64> {
        match exact {
            Some(Rat::Small(n, 1)) => {
                let raised = powi(*b, n.unsigned_abs())?;
                return if *n < 0 { inverse(raised) } else { Ok(raised) };
            }
            Some(Rat::Small(1, 2)) => return sqrt(*b),
            Some(Rat::Small(-1, 2)) => return inverse(sqrt(*b)?),
            _ => {}
        }
        if b.re == 0.0 && b.im == 0.0 && b.err == 0.0 {
            return if e.re > e.err {
                C64::real(0.0, 0.0)
            } else {
                Err(Fail::Undefined)
            };
        }
        exp(mul(*e, ln(*b)?)?)
    }

    fn call(&mut self, f: Function, args: &[C64]) -> Eval<C64> {
        use Function as F;
        match (f, args) {
            (F::Sin, [x]) => Ok(sin_cos(*x)?.0),
            (F::Cos, [x]) => Ok(sin_cos(*x)?.1),
            (F::Tan, [x]) => {
                let (s, c) = sin_cos(*x)?;
                mul(s, inverse(c)?)
            }
            (F::Sinh, [x]) => Ok(sinh_cosh(*x)?.0),
            (F::Cosh, [x]) => Ok(sinh_cosh(*x)?.1),
            (F::Tanh, [x]) => {
                let (s, c) = sinh_cosh(*x)?;
                mul(s, inverse(c)?)
            }
            (F::Arcsin, [x]) => asin(*x),
            (F::Arccos, [x]) => {
                let quarter = C64::real(std::f64::consts::FRAC_PI_2, EPS)?;
                add(quarter, asin(*x)?.scale(-1.0))
            }
            (F::Arctan, [x]) => atan(*x),
            (F::Arsinh | F::Arcosh | F::Artanh, [x]) => area(f, *x),
            (F::Log, [x]) => ln(*x),
            (F::Abs, [x]) => C64::real(x.abs(), x.err + EPS * x.abs()),
            (F::Re, [x]) => C64::real(x.re, x.err),
            (F::Im, [x]) => C64::real(x.im, x.err),
            (F::Conjugate, [x]) => Ok(C64 { im: -x.im, ..*x }),
            (F::Arg, [x]) => {
                let size = x.abs();
                if size <= 2.0 * x.err || x.close_to_cut() {
                    return Err(Fail::IllConditioned);
                }
                C64::real(x.arg(), 2.0 * x.err / size + 4.0 * EPS)
            }
            (F::Sign, [x]) => C64::real(f64::from(self.sign(x)? as i8), 0.0),
            (F::Floor | F::Ceil, [x]) => {
                if !x.real {
                    return Err(Fail::Unsupported);
                }
                let of = |v: f64| {
                    if f == F::Floor {
                        libm::floor(v)
                    } else {
                        libm::ceil(v)
                    }
                };
                let (a, b) = (of(x.re - x.err), of(x.re + x.err));
                if a == b {
                    C64::real(a, 0.0)
                } else {
                    Err(Fail::IllConditioned)
                }
            }
            (F::Max | F::Min, _) => {
                let mut best = *args.first().ok_or(Fail::Unsupported)?;
                for x in args {
                    if !x.real || !best.real {
                        return Err(Fail::Unsupported);
                    }
                    if (x.re > best.re) == (f == F::Max) {
                        best = *x;
                    }
                }
                let err = args.iter().fold(0.0, |m: f64, x| m.max(x.err));
                C64::real(best.re, err)
            }
            (F::Mod, [a, m]) if a.real && m.real => {
                let q = mul(*a, inverse(*m)?)?;
                let (below, above) = (libm::floor(q.re - q.err), libm::floor(q.re + q.err));
                if below != above {
                    return Err(Fail::IllConditioned);
                }
                add(*a, mul(C64::real(-below, 0.0)?, *m)?)
            }
            (F::Factorial, [x]) => factorial(*x, &mut self.fuel),
            (F::Binomial, [n, k]) => match whole(*k) {
                Ok(k) if k < 0 => C64::real(0.0, 0.0),
                Ok(k) => {
                    let below = factorial(C64::real(k as f64, 0.0)?, &mut self.fuel)?;
                    mul(falling(*n, k, &mut self.fuel)?, inverse(below)?)
                }
                Err(e) => Err(e),
            },
            (F::Permutations | F::FallingFactorial, [n, k]) => {
                let k = whole(*k)?;
                falling(*n, k, &mut self.fuel)
            }
            (F::DoubleFactorial, [n]) => {
                let n = whole(*n)?;
                let mut product = C64::real(1.0, 0.0)?;
                for j in (1..=n.clamp(0, 400)).rev().step_by(2) {
                    product = mul(product, C64::real(j as f64, 0.0)?)?;
                }
                Ok(product)
            }
            _ => Err(Fail::Unsupported),
        }
    }

    fn sign(&mut self, v: &C64) -> Eval<Ordering> {
        if !v.real {
            return Err(Fail::Unsupported);
        }
        if v.re.abs() <= v.err && v.err > 0.0 {
            return Err(Fail::IllConditioned);
        }
        v.re.partial_cmp(&0.0).ok_or(Fail::Undefined)
    }

    fn integer(&self, v: &C64) -> Eval<i64> {
        whole(*v)
    }

    fn magnitude(&self, v: &C64) -> f64 {
        libm::log2(v.abs())
    }

    fn bits(&self) -> Option<u32> {
        Some(40)
    }

    fn widened(&self, v: C64, log2: f64) -> C64 {
        C64 {
            err: v.err + libm::exp2(log2),
            ..v
        }
    }
}
