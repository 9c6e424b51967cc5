//! Complex numbers of 192 bits with an error bound: the confirmation that two values agree.

use std::cmp::Ordering;

use dashu_float::round::mode::HalfEven;
use dashu_float::{ConstCache, Context, FBig};
use dashu_int::IBig;

use super::walk::Domain;
use crate::math::number::rat::Rat;
use crate::math::number::{Eval, Fail, Fuel};
use crate::math::tree::{Constant, Function};

/// Bits of the significand.
pub const BITS: usize = 192;

/// Largest binary logarithm of a value, and of its reciprocal.
const MAX_LOG2: f64 = 2e5;

/// Below this binary logarithm a function is its tangent at zero, to all bits.
const TINY: f64 = -2.5 * BITS as f64;

type Float = FBig<HalfEven, 2>;

const CONTEXT: Context<HalfEven> = Context::new(BITS);

/// A complex number known up to `2^err`.
#[derive(Debug, Clone)]
pub struct Big {
    re: Float,
    im: Float,
    /// Binary logarithm of the absolute error, `-inf` for none.
    pub err: f64,
    real: bool,
}

fn int(v: i64) -> Float {
    Float::from(IBig::from(v)).with_precision(BITS).value()
}

/// Upper bound of `log2 |x|`, less than one above it.
fn log2(x: &Float) -> f64 {
    use dashu_int::ops::BitTest;
    let significand = x.repr().significand();
    if significand.is_zero() {
        return f64::NEG_INFINITY;
    }
    significand.bit_len() as f64 + x.repr().exponent() as f64
}

/// `log2(2^a + 2^b)`.
fn log_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY {
        high
    } else {
        high + libm::log2(1.0 + libm::exp2(low - high))
    }
}

impl Big {
    fn real(re: Float, err: f64) -> Eval<Self> {
        Self {
            re,
            im: int(0),
            err,
            real: true,
        }
        .checked()
    }

    fn complex(re: Float, im: Float, err: f64) -> Eval<Self> {
        Self {
            re,
            im,
            err,
            real: false,
        }
        .checked()
    }

    fn whole(v: i64) -> Self {
        Self {
            re: int(v),
            im: int(0),
            err: f64::NEG_INFINITY,
            real: true,
        }
    }

    fn checked(self) -> Eval<Self> {
        let finite = !self.re.repr().is_infinite() && !self.im.repr().is_infinite();
        let size = self.log2();
        let in_range = size < MAX_LOG2 && (size > -MAX_LOG2 || self.vanishes());
        if finite && in_range && !self.err.is_nan() {
            Ok(self)
        } else {
            Err(Fail::Undefined)
        }
    }

    /// Upper bound of the binary logarithm of the absolute value.
    pub fn log2(&self) -> f64 {
        if self.real {
            log2(&self.re)
        } else {
            log2(&self.re).max(log2(&self.im)) + 0.5
        }
    }

    /// Upper bound of the binary logarithm of the distance to `other`.
    pub fn distance_log2(&self, other: &Self) -> f64 {
        log2(&(&self.re - &other.re)).max(log2(&(&self.im - &other.im)))
    }

    /// The nearest integer to the value times `10^digits`, if it is real and surely that.
    pub fn rounded_scaled(&self, digits: u32) -> Option<IBig> {
        let power = Float::from(IBig::from(10).pow(digits as usize))
            .with_precision(BITS)
            .value();
        let scale = f64::from(digits) * std::f64::consts::LOG2_10;
        if log2(&self.im) + scale > -1.0 || self.log2() + scale > 180.0 || self.err + scale > -2.0 {
            return None;
        }
        Some((&self.re * &power).to_int().value())
    }

    /// Lower bound of the binary logarithm of the absolute value.
    fn log2_below(&self) -> f64 {
        log2(&self.re).max(log2(&self.im)) - 1.0
    }

    fn is_zero(&self) -> bool {
        self.re.repr().is_pos_zero() || self.re.repr().significand().is_zero()
    }

    fn vanishes(&self) -> bool {
        self.is_zero() && self.im.repr().significand().is_zero()
    }

    /// One rounding of a result of this size.
    fn rounding(&self) -> f64 {
        self.log2() - BITS as f64 + 1.0
    }

    fn rounded(self, ulps: f64) -> Eval<Self> {
        let err = log_add(self.err, self.rounding() + ulps);
        Self { err, ..self }.checked()
    }

    fn half(&self) -> Self {
        let half = Float::from_parts(IBig::ONE, -1)
            .with_precision(BITS)
            .value();
        Self {
            re: &self.re * &half,
            im: &self.im * &half,
            err: self.err - 1.0,
            real: self.real,
        }
    }

    fn neg(&self) -> Self {
        Self {
            re: -self.re.clone(),
            im: -self.im.clone(),
            err: self.err,
            real: self.real,
        }
    }

    fn times_i(&self) -> Self {
        Self {
            re: -self.im.clone(),
            im: self.re.clone(),
            err: self.err,
            real: false,
        }
    }

    fn close_to_cut(&self) -> bool {
        let re_close = self.re <= int(0) || log2(&self.re) <= self.err;
        !self.real && re_close && log2(&self.im) <= self.err
    }
}

fn add(a: &Big, b: &Big) -> Eval<Big> {
    let real = a.real && b.real;
    let im = if real { int(0) } else { &a.im + &b.im };
    Big {
        re: &a.re + &b.re,
        im,
        err: log_add(a.err, b.err),
        real,
    }
    .rounded(0.0)
}

fn mul(a: &Big, b: &Big) -> Eval<Big> {
    let (la, lb) = (a.log2(), b.log2());
    if la + lb > MAX_LOG2 {
        return Err(Fail::Undefined);
    }
    let err = log_add(log_add(a.err + lb, b.err + la), a.err + b.err);
    if a.real && b.real {
        return Big {
            re: &a.re * &b.re,
            im: int(0),
            err,
            real: true,
        }
        .rounded(0.0);
    }
    let re = &a.re * &b.re - &a.im * &b.im;
    let im = &a.re * &b.im + &a.im * &b.re;
    // Parts may cancel: the rounding is that of the whole product.
    let err = log_add(err, la + lb - BITS as f64 + 2.0);
    Big::complex(re, im, err)
}

fn inverse(a: &Big) -> Eval<Big> {
    if a.vanishes() || a.log2_below() <= a.err + 1.0 {
        return Err(if a.err == f64::NEG_INFINITY {
            Fail::Undefined
        } else {
            Fail::IllConditioned
        });
    }
    if a.log2_below() < -MAX_LOG2 {
        return Err(Fail::Undefined);
    }
    let err = a.err + 1.0 - 2.0 * a.log2_below();
    if a.real {
        return Big {
            re: int(1) / &a.re,
            im: int(0),
            err,
            real: true,
        }
        .rounded(0.0);
    }
    let below = &a.re * &a.re + &a.im * &a.im;
    Big {
        re: &a.re / &below,
        im: -(&a.im / &below),
        err,
        real: false,
    }
    .rounded(2.0)
}

/// Complex arithmetic of 192 bits at one point.
pub struct Bigs<'a> {
    /// Value of a variable.
    pub symbols: &'a dyn Fn(&str) -> Rat,
    /// Work limit of the functions, whose cost differs widely.
    pub fuel: Fuel,
    cache: ConstCache,
}

impl<'a> Bigs<'a> {
    /// Arithmetic with the given values of variables.
    pub fn new(symbols: &'a dyn Fn(&str) -> Rat, fuel: Fuel) -> Self {
        Self {
            symbols,
            fuel,
            cache: ConstCache::new(),
        }
    }

    fn pi(&mut self) -> Eval<Big> {
        self.fuel.spend(100)?;
        let pi = CONTEXT.pi::<2>(Some(&mut self.cache)).value();
        Big::real(pi, f64::NEG_INFINITY)?.rounded(0.0)
    }

    fn exp_real(&mut self, x: &Float) -> Eval<Float> {
        self.fuel.spend(10_000)?;
        if log2(x) > 17.0 {
            return Err(Fail::Undefined);
        }
        if log2(x) < TINY {
            return Ok(int(1));
        }
        let out = CONTEXT.exp(x.repr(), Some(&mut self.cache));
        out.map(|v| v.value()).map_err(|_| Fail::Undefined)
    }

    fn ln_real(&mut self, x: &Float) -> Eval<Float> {
        self.fuel.spend(40_000)?;
        let out = CONTEXT.ln(x.repr(), Some(&mut self.cache));
        out.map(|v| v.value()).map_err(|_| Fail::Undefined)
    }

    fn sqrt_real(&mut self, x: &Float) -> Eval<Float> {
        self.fuel.spend(100)?;
        CONTEXT
            .sqrt(x.repr())
            .map(|v| v.value())
            .map_err(|_| Fail::Undefined)
    }

    fn sin_cos_real(&mut self, x: &Float) -> Eval<(Float, Float)> {
        self.fuel.spend(18_000)?;
        if log2(x) > 120.0 {
            return Err(Fail::IllConditioned);
        }
        if log2(x) < TINY {
            return Ok((x.clone(), int(1)));
        }
        let (s, c) = CONTEXT.sin_cos(x.repr(), Some(&mut self.cache));
        match (s, c) {
            (Ok(s), Ok(c)) => Ok((s.value(), c.value())),
            _ => Err(Fail::Undefined),
        }
    }

    fn atan2_real(&mut self, y: &Float, x: &Float) -> Eval<Float> {
        self.fuel.spend(40_000)?;
        if (log2(x) - log2(y)).abs() > 1_000.0 && !x.repr().significand().is_zero() {
            // One part is nothing beside the other.
            return Err(Fail::IllConditioned);
        }
        let out = CONTEXT.atan2(y.repr(), x.repr(), Some(&mut self.cache));
        out.map(|v| v.value()).map_err(|_| Fail::Undefined)
    }

    fn abs(&mut self, a: &Big) -> Eval<Big> {
        if a.real {
            let re = if a.re < int(0) {
                -a.re.clone()
            } else {
                a.re.clone()
            };
            return Big::real(re, a.err);
        }
        let size = self.sqrt_real(&(&a.re * &a.re + &a.im * &a.im))?;
        Big::real(size, a.err)?.rounded(2.0)
    }

    fn exp(&mut self, a: &Big) -> Eval<Big> {
        if a.err > -2.0 {
            return Err(Fail::IllConditioned);
        }
        let size = self.exp_real(&a.re)?;
        let err = log2(&size) + a.err + 1.0;
        if a.real {
            return Big::real(size, err)?.rounded(1.0);
        }
        let (s, c) = self.sin_cos_real(&a.im)?;
        let err = log_add(err, log2(&size) - BITS as f64 + 3.0);
        Big::complex(&size * c, &size * s, err)
    }

    fn ln(&mut self, a: &Big) -> Eval<Big> {
        if a.vanishes() || a.log2_below() <= a.err + 1.0 || a.close_to_cut() {
            return Err(Fail::IllConditioned);
        }
        let err = a.err - a.log2_below() + 1.0;
        let floor = -(BITS as f64) + 3.0;
        if a.real {
            let size = self.abs(a)?;
            let re = self.ln_real(&size.re)?;
            if a.re > int(0) {
                return Big::real(re, log_add(err, floor))?.rounded(0.0);
            }
            let pi = self.pi()?.re;
            return Big::complex(re, pi, log_add(err, floor))?.rounded(1.0);
        }
        // ln |a| from the square, one logarithm less deep than through a root.
        let square = &a.re * &a.re + &a.im * &a.im;
        let half = Float::from_parts(IBig::ONE, -1)
            .with_precision(BITS)
            .value();
        let re = self.ln_real(&square)? * half;
        let im = self.atan2_real(&a.im, &a.re)?;
        Big::complex(re, im, log_add(err, floor + 1.0))?.rounded(1.0)
    }

    fn sqrt(&mut self, a: &Big) -> Eval<Big> {
        if a.vanishes() {
            return Ok(Big {
                err: a.err / 2.0,
                ..Big::whole(0)
            });
        }
        if a.log2_below() <= a.err + 1.0 {
            return Ok(Big {
                err: a.err / 2.0 + 1.0,
                real: false,
                ..Big::whole(0)
            });
        }
        if a.close_to_cut() {
            return Err(Fail::IllConditioned);
        }
        let err = a.err - a.log2_below() / 2.0;
        if a.real {
            let size = self.abs(a)?;
            let root = self.sqrt_real(&size.re)?;
            return if a.re > int(0) {
                Big::real(root, err)?.rounded(0.0)
            } else {
                Big::complex(int(0), root, err)?.rounded(0.0)
            };
        }
        // With m = |a|: re = sqrt((m + re) / 2), im = ± sqrt((m - re) / 2); the larger part first.
        let size = self.abs(a)?.re;
        let half = Float::from_parts(IBig::ONE, -1)
            .with_precision(BITS)
            .value();
        let positive = a.re > int(0);
        let larger = if positive {
            &size + &a.re
        } else {
            &size - &a.re
        };
        let larger = self.sqrt_real(&(larger * &half))?;
        let smaller = &a.im * &half / &larger;
        let (re, im) = if positive {
            (larger, smaller)
        } else if a.im < int(0) {
            (-smaller, -larger)
        } else {
            (smaller, larger)
        };
        Big::complex(re, im, err)?.rounded(4.0)
    }

    fn powi(&mut self, a: &Big, n: u64) -> Eval<Big> {
        if a.log2().abs() * n as f64 > MAX_LOG2 {
            return Err(Fail::Undefined);
        }
        let mut acc = Big::whole(1);
        let (mut square, mut n) = (a.clone(), n);
        loop {
            self.fuel.spend(80)?;
            if n & 1 == 1 {
                acc = mul(&acc, &square)?;
            }
            n >>= 1;
            if n == 0 {
                return Ok(acc);
            }
            square = mul(&square, &square)?;
        }
    }

    fn sin_cos(&mut self, a: &Big) -> Eval<(Big, Big)> {
        if a.err > -2.0 {
            return Err(Fail::IllConditioned);
        }
        let (s, c) = self.sin_cos_real(&a.re)?;
        if a.real {
            let floor = -(BITS as f64) + 2.0;
            return Ok((
                Big::real(s, log_add(a.err, floor))?,
                Big::real(c, log_add(a.err, floor))?,
            ));
        }
        let im = Big::real(a.im.clone(), a.err)?;
        let (sh, ch) = self.sinh_cosh(&im)?;
        let err = ch.log2() + log_add(a.err + 1.0, -(BITS as f64) + 3.0);
        Ok((
            Big::complex(&s * &ch.re, &c * &sh.re, err)?,
            Big::complex(&c * &ch.re, -(&s * &sh.re), err)?,
        ))
    }

    fn sinh_cosh(&mut self, a: &Big) -> Eval<(Big, Big)> {
        let (up, down) = (self.exp(a)?, self.exp(&a.neg())?);
        Ok((add(&up, &down.neg())?.half(), add(&up, &down)?.half()))
    }

    fn asin(&mut self, a: &Big) -> Eval<Big> {
        if a.real && a.re >= int(-1) && a.re <= int(1) {
            if log2(&a.re) < TINY {
                return Ok(a.clone());
            }
            self.fuel.spend(42_000)?;
            let value = CONTEXT.asin(a.re.repr(), Some(&mut self.cache));
            let value = value.map_err(|_| Fail::Undefined)?.value();
            let slope = int(1) - &a.re * &a.re;
            let slope = log2(&slope) / 2.0 - 1.0;
            let err = (a.err - slope).min(a.err / 2.0 + 1.0);
            return Big::real(value, log_add(err, -(BITS as f64) + 2.0));
        }
        let inner = add(&Big::whole(1), &mul(a, a)?.neg())?;
        let root = self.sqrt(&inner)?;
        let sum = add(&a.times_i(), &root)?;
        Ok(self.ln(&sum)?.times_i().neg())
    }

    fn atan(&mut self, a: &Big) -> Eval<Big> {
        if a.real && log2(&a.re) < TINY {
            return Ok(a.clone());
        }
        if a.real {
            let value = self.atan2_real(&a.re, &int(1))?;
            return Big::real(value, log_add(a.err, -(BITS as f64) + 2.0));
        }
        let one = Big::whole(1);
        let minus = add(&one, &a.times_i().neg())?;
        let plus = add(&one, &a.times_i())?;
        let (minus, plus) = (self.ln(&minus)?, self.ln(&plus)?);
        Ok(add(&minus, &plus.neg())?.times_i().half())
    }

    fn area(&mut self, f: Function, a: &Big) -> Eval<Big> {
        let one = Big::whole(1);
        match f {
            Function::Arsinh => {
                let root = add(&mul(a, a)?, &one)?;
                let root = self.sqrt(&root)?;
                self.ln(&add(a, &root)?)
            }
            Function::Arcosh => {
                let (up, down) = (add(a, &one)?, add(a, &one.neg())?);
                let root = mul(&self.sqrt(&up)?, &self.sqrt(&down)?)?;
                self.ln(&add(a, &root)?)
            }
            _ => {
                let (up, down) = (add(&one, a)?, add(&one, &a.neg())?);
                let (up, down) = (self.ln(&up)?, self.ln(&down)?);
                Ok(add(&up, &down.neg())?.half())
            }
        }
    }

    fn falling(&mut self, n: &Big, k: i64) -> Eval<Big> {
        if !(0..=2_000).contains(&k) {
            return Err(Fail::Unsupported);
        }
        let mut product = Big::whole(1);
        for j in 0..k {
            self.fuel.spend(60)?;
            product = mul(&product, &add(n, &Big::whole(-j))?)?;
        }
        Ok(product)
    }

    fn floor(&mut self, f: Function, a: &Big) -> Eval<Big> {
        if !a.real || a.log2() > 150.0 {
            return Err(Fail::Unsupported);
        }
        let of = |v: &Float| {
            if f == Function::Floor {
                v.floor()
            } else {
                v.ceil()
            }
        };
        let near = a.re.to_int().value();
        let off = &a.re - Float::from(near).with_precision(BITS).value();
        if log2(&off) <= a.err {
            return Err(Fail::IllConditioned);
        }
        Big::real(of(&a.re).with_precision(BITS).value(), f64::NEG_INFINITY)
    }
}

impl Domain for Bigs<'_> {
    type Value = Big;
    const COST: u64 = 60;
    const CALL_COST: u64 = 60;

    fn rat(&mut self, r: &Rat) -> Eval<Big> {
        if let Rat::Small(n, 1) = r {
            return Ok(Big::whole(*n));
        }
        let (n, d) = r.parts();
        self.fuel.spend(r.bits() as u64 / 8)?;
        let n = Float::from(n).with_precision(BITS).value();
        let d = Float::from(IBig::from(d)).with_precision(BITS).value();
        Big::real(n / d, f64::NEG_INFINITY)?.rounded(2.0)
    }

    fn constant(&mut self, c: Constant) -> Eval<Big> {
        match c {
            Constant::Pi => self.pi(),
            Constant::E => self.exp(&Big::whole(1)),
            Constant::I => Big::complex(int(0), int(1), f64::NEG_INFINITY),
            _ => Err(Fail::Unsupported),
        }
    }

    fn symbol(&mut self, name: &str) -> Eval<Big> {
        let r = (self.symbols)(name);
        self.rat(&r)
    }

    fn add(&mut self, a: &Big, b: &Big) -> Eval<Big> {
        add(a, b)
    }

    fn mul(&mut self, a: &Big, b: &Big) -> Eval<Big> {
        mul(a, b)
    }

    fn pow(&mut self, b: &Big, e: &Big, exact: Option<&Rat>) -> Eval<Big> {
        match exact {
            Some(Rat::Small(n, 1)) => {
                let raised = self.powi(b, n.unsigned_abs())?;
                return if *n < 0 { inverse(&raised) } else { Ok(raised) };
            }
            Some(Rat::Small(n, 2)) => {
                let root = self.sqrt(b)?;
                let raised = self.powi(&root, n.unsigned_abs())?;
                return if *n < 0 { inverse(&raised) } else { Ok(raised) };
            }
            // A root of a positive real needs no logarithm.
            Some(Rat::Small(n, d @ 3..=64))
                if b.real && b.re > int(0) && b.log2_below() > b.err + 1.0 =>
            {
                self.fuel.spend(500)?;
                let root = CONTEXT
                    .nth_root(*d as usize, b.re.repr())
                    .map_err(|_| Fail::Undefined)?;
                let root = root.value();
                let err = b.err - b.log2_below() + log2(&root);
                let root = Big::real(root, err)?.rounded(1.0)?;
                let raised = self.powi(&root, n.unsigned_abs())?;
                return if *n < 0 { inverse(&raised) } else { Ok(raised) };
            }
            _ => {}
        }
        if b.vanishes() && b.err == f64::NEG_INFINITY {
            return if e.re > int(0) {
                Ok(Big::whole(0))
            } else {
                Err(Fail::Undefined)
            };
        }
        let ln = self.ln(b)?;
        self.exp(&mul(e, &ln)?)
    }

    fn call(&mut self, f: Function, args: &[Big]) -> Eval<Big> {
        use Function as F;
        match (f, args) {
            (F::Sin, [x]) => Ok(self.sin_cos(x)?.0),
            (F::Cos, [x]) => Ok(self.sin_cos(x)?.1),
            (F::Tan, [x]) => {
                let (s, c) = self.sin_cos(x)?;
                mul(&s, &inverse(&c)?)
            }
            (F::Sinh, [x]) => Ok(self.sinh_cosh(x)?.0),
            (F::Cosh, [x]) => Ok(self.sinh_cosh(x)?.1),
            (F::Tanh, [x]) => {
                let (s, c) = self.sinh_cosh(x)?;
                mul(&s, &inverse(&c)?)
            }
            (F::Arcsin, [x]) => self.asin(x),
            (F::Arccos, [x]) => {
                let quarter = self.pi()?.half();
                add(&quarter, &self.asin(x)?.neg())
            }
            (F::Arctan, [x]) => self.atan(x),
            (F::Arsinh | F::Arcosh | F::Artanh, [x]) => self.area(f, x),
            (F::Log, [x]) => self.ln(x),
            (F::Abs, [x]) => self.abs(x),
            (F::Re, [x]) => Big::real(x.re.clone(), x.err),
            (F::Im, [x]) => Big::real(x.im.clone(), x.err),
            (F::Conjugate, [x]) => Ok(Big {
                im: -x.im.clone(),
                ..x.clone()
            }),
            (F::Arg, [x]) => {
                let y = self.ln(x)?;
                Big::real(y.im, y.err)
            }
            (F::Sign, [x]) => Ok(Big::whole(i64::from(self.sign(x)? as i8))),
            (F::Floor | F::Ceil, [x]) => self.floor(f, x),
            (F::Max | F::Min, _) => {
                let mut best = args.first().ok_or(Fail::Unsupported)?.clone();
                let mut err = best.err;
                for x in args {
                    if !x.real || !best.real {
                        return Err(Fail::Unsupported);
                    }
                    err = err.max(x.err);
                    if (x.re > best.re) == (f == F::Max) {
                        best = x.clone();
                    }
                }
                Ok(Big { err, ..best })
            }
            (F::Mod, [a, m]) if a.real && m.real => {
                let q = mul(a, &inverse(m)?)?;
                let q = self.floor(F::Floor, &q)?;
                add(a, &mul(&q, m)?.neg())
            }
            (F::Factorial, [x]) => {
                let n = self.integer(x)?;
                self.falling(&Big::whole(n), n)
            }
            (F::Binomial, [n, k]) => {
                let k = self.integer(k)?;
                if k < 0 {
                    return Ok(Big::whole(0));
                }
                let (above, below) = (self.falling(n, k)?, self.falling(&Big::whole(k), k)?);
                mul(&above, &inverse(&below)?)
            }
            (F::Permutations | F::FallingFactorial, [n, k]) => {
                let k = self.integer(k)?;
                self.falling(n, k)
            }
            (F::DoubleFactorial, [n]) => {
                let n = self.integer(n)?;
                let mut product = Big::whole(1);
                for j in (1..=n.clamp(0, 2_000)).rev().step_by(2) {
                    self.fuel.spend(60)?;
                    product = mul(&product, &Big::whole(j))?;
                }
                Ok(product)
            }
            _ => Err(Fail::Unsupported),
        }
    }

    fn sign(&mut self, v: &Big) -> Eval<Ordering> {
        if !v.real {
            return Err(Fail::Unsupported);
        }
        if log2(&v.re) <= v.err && v.err > f64::NEG_INFINITY {
            return Err(Fail::IllConditioned);
        }
        Ok(v.re.cmp(&int(0)))
    }

    fn integer(&self, a: &Big) -> Eval<i64> {
        let near = a.re.to_int().value();
        let off = &a.re - Float::from(near.clone()).with_precision(BITS).value();
        let is_whole = a.real && log2(&off) <= a.err.max(-100.0) && a.err < -64.0;
        if !is_whole {
            return Err(Fail::Unsupported);
        }
        i64::try_from(near).map_err(|_| Fail::Unsupported)
    }

    fn magnitude(&self, v: &Big) -> f64 {
        v.log2()
    }

    fn bits(&self) -> Option<u32> {
        Some(BITS as u32)
    }

    fn widened(&self, v: Big, by: f64) -> Big {
        Big {
            err: log_add(v.err, by),
            ..v
        }
    }
}
