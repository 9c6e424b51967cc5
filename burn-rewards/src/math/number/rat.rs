//! Exact rationals: machine words while they fit, `dashu` beyond.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use dashu_int::ops::{BitTest, Gcd};
use dashu_int::{IBig, UBig};
use dashu_ratio::RBig;

/// Largest numerator or denominator that is formed, in bits. A power beyond it stays a power.
pub const MAX_BITS: usize = 1 << 15;

/// A rational in lowest terms with a positive denominator.
#[derive(Debug, Clone)]
pub enum Rat {
    /// Both parts fit a word; the denominator is positive.
    Small(i64, i64),
    /// Anything else.
    Big(Box<RBig>),
}

impl Rat {
    /// Zero.
    pub const ZERO: Self = Self::Small(0, 1);
    /// One.
    pub const ONE: Self = Self::Small(1, 1);

    /// An integer.
    pub fn int(value: i64) -> Self {
        Self::Small(value, 1)
    }

    /// `n / d`, `None` for a zero denominator.
    pub fn ratio(n: i64, d: i64) -> Option<Self> {
        Self::from_wide(i128::from(n), i128::from(d))
    }

    /// A big integer.
    pub fn from_ibig(value: IBig) -> Self {
        Self::from_rbig(RBig::from(value))
    }

    /// `n / d` of big integers, `None` for a zero denominator.
    pub fn from_parts(n: IBig, d: UBig) -> Option<Self> {
        (!d.is_zero()).then(|| Self::from_rbig(RBig::from_parts(n, d)))
    }

    fn from_rbig(value: RBig) -> Self {
        if value.numerator().bit_len() <= 64 && value.denominator().bit_len() <= 63 {
            let n = i64::try_from(value.numerator().clone());
            let d = i64::try_from(value.denominator().clone());
            if let (Ok(n), Ok(d)) = (n, d) {
                return Self::Small(n, d);
            }
        }
        Self::Big(Box::new(value))
    }

    fn from_wide(n: i128, d: i128) -> Option<Self> {
        if d == 0 {
            return None;
        }
        let g = gcd(n.unsigned_abs(), d.unsigned_abs()) as i128;
        let (n, d) = if d < 0 {
            (-n / g, -d / g)
        } else {
            (n / g, d / g)
        };
        match (i64::try_from(n), i64::try_from(d)) {
            (Ok(n), Ok(d)) => Some(Self::Small(n, d)),
            _ => Some(Self::Big(Box::new(RBig::from_parts_signed(
                n.into(),
                d.into(),
            )))),
        }
    }

    /// The value as a big rational.
    pub fn to_rbig(&self) -> RBig {
        match self {
            Self::Small(n, d) => RBig::from_parts_signed((*n).into(), (*d).into()),
            Self::Big(b) => (**b).clone(),
        }
    }

    /// Numerator and denominator.
    pub fn parts(&self) -> (IBig, UBig) {
        self.to_rbig().into_parts()
    }

    /// Sum.
    pub fn add(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Small(a, 1), Self::Small(b, 1)) if a.checked_add(*b).is_some() => {
                Self::Small(a + b, 1)
            }
            (Self::Small(a, b), Self::Small(c, d)) => {
                let (a, b, c, d) = (
                    i128::from(*a),
                    i128::from(*b),
                    i128::from(*c),
                    i128::from(*d),
                );
                // Words multiply to less than 2^126, so the sum of two products fits.
                Self::from_wide(a * d + c * b, b * d).unwrap_or(Self::ZERO)
            }
            _ => Self::from_rbig(self.to_rbig() + other.to_rbig()),
        }
    }

    /// Product.
    pub fn mul(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Small(a, b), Self::Small(c, d)) => Self::from_wide(
                i128::from(*a) * i128::from(*c),
                i128::from(*b) * i128::from(*d),
            )
            .unwrap_or(Self::ZERO),
            _ => Self::from_rbig(self.to_rbig() * other.to_rbig()),
        }
    }

    /// Negation.
    pub fn neg(&self) -> Self {
        match self {
            Self::Small(n, d) if *n != i64::MIN => Self::Small(-n, *d),
            _ => Self::from_rbig(-self.to_rbig()),
        }
    }

    /// Difference.
    pub fn sub(&self, other: &Self) -> Self {
        self.add(&other.neg())
    }

    /// `1 / self`, `None` at zero.
    pub fn recip(&self) -> Option<Self> {
        match self {
            Self::Small(0, _) => None,
            Self::Small(n, d) => Self::from_wide(i128::from(*d), i128::from(*n)),
            Self::Big(b) => {
                let (n, d) = (**b).clone().into_parts();
                (!n.is_zero()).then(|| Self::from_rbig(RBig::from_parts_signed(d.into(), n)))
            }
        }
    }

    /// Quotient, `None` when dividing by zero.
    pub fn div(&self, other: &Self) -> Option<Self> {
        Some(self.mul(&other.recip()?))
    }

    /// Integer power, `None` for `0^-n` or a result over [`MAX_BITS`].
    pub fn powi(&self, exponent: i64) -> Option<Self> {
        let base = if exponent < 0 {
            self.recip()?
        } else {
            self.clone()
        };
        let e = exponent.unsigned_abs();
        match &base {
            Self::Small(_, _) if e == 0 => return Some(Self::ONE),
            Self::Small(0 | 1, 1) => return Some(base),
            Self::Small(-1, 1) => return Some(Self::int(if e.is_multiple_of(2) { 1 } else { -1 })),
            _ => {}
        }
        let bits = u64::try_from(base.bits()).ok()?;
        if bits.checked_mul(e)? > MAX_BITS as u64 {
            return None;
        }
        if let (Self::Small(n, 1), Ok(e)) = (&base, u32::try_from(e))
            && let Some(p) = n.checked_pow(e)
        {
            return Some(Self::Small(p, 1));
        }
        Some(Self::from_rbig(
            base.to_rbig().pow(isize::try_from(e).ok()?),
        ))
    }

    /// Work of a sum or product with `other`, in steps: that of the greatest common divisor, which
    /// is quadratic in the length.
    pub fn work(&self, other: &Self) -> u64 {
        if let (Self::Small(..), Self::Small(..)) = (self, other) {
            return 1;
        }
        let words = ((self.bits() + other.bits()) / 64 + 1) as u64;
        if self.is_int() && other.is_int() {
            words + words * words / 64
        } else {
            words * words / 3
        }
    }

    /// Bits of the longer of numerator and denominator.
    pub fn bits(&self) -> usize {
        match self {
            Self::Small(n, d) => {
                let m = n.unsigned_abs().max(d.unsigned_abs());
                (64 - m.leading_zeros()) as usize
            }
            Self::Big(b) => b.numerator().bit_len().max(b.denominator().bit_len()),
        }
    }

    /// Whether the value is an integer.
    pub fn is_int(&self) -> bool {
        match self {
            Self::Small(_, d) => *d == 1,
            Self::Big(b) => b.is_int(),
        }
    }

    /// The value as a word, if it is an integer that fits.
    pub fn to_i64(&self) -> Option<i64> {
        match self {
            Self::Small(n, 1) => Some(*n),
            _ => None,
        }
    }

    /// Whether the value is zero.
    pub fn is_zero(&self) -> bool {
        matches!(self, Self::Small(0, _))
    }

    /// Whether the value is one.
    pub fn is_one(&self) -> bool {
        matches!(self, Self::Small(1, 1))
    }

    /// Sign: -1, 0 or 1.
    pub fn signum(&self) -> i32 {
        match self {
            Self::Small(n, _) => n.signum() as i32,
            Self::Big(b) => {
                if b.numerator() < &IBig::ZERO {
                    -1
                } else {
                    1
                }
            }
        }
    }

    /// Absolute value.
    pub fn abs(&self) -> Self {
        if self.signum() < 0 {
            self.neg()
        } else {
            self.clone()
        }
    }

    /// Largest integer not above the value.
    pub fn floor(&self) -> Self {
        match self {
            Self::Small(n, d) => Self::Small(n.div_euclid(*d), 1),
            Self::Big(b) => Self::from_ibig(b.floor()),
        }
    }

    /// Nearest double; infinite where it overflows.
    pub fn to_f64(&self) -> f64 {
        match self {
            Self::Small(n, 1) => *n as f64,
            Self::Small(n, d) if n.unsigned_abs() < 1 << 53 && *d < 1 << 53 => {
                *n as f64 / *d as f64
            }
            _ => self.to_rbig().to_f64().value(),
        }
    }

    /// The value rounded half to even at `digits` decimals, times `10^digits`.
    pub fn round_scaled(&self, digits: u32) -> IBig {
        let scaled = self.to_rbig() * RBig::from(IBig::from(10).pow(digits as usize));
        let floor = scaled.floor();
        let rest = scaled - RBig::from(floor.clone());
        let up = match rest.cmp(&RBig::from_parts(IBig::ONE, UBig::from(2u8))) {
            Ordering::Less => false,
            Ordering::Greater => true,
            Ordering::Equal => floor.bit(0),
        };
        if up { floor + IBig::ONE } else { floor }
    }

    /// The exact `n`-th root of a non-negative rational, if it is rational.
    pub fn root(&self, n: u32) -> Option<Self> {
        if self.signum() < 0 || n == 0 {
            return None;
        }
        if let Self::Small(a, b) = self {
            return Some(Self::Small(word_root(*a, n)?, word_root(*b, n)?));
        }
        let (num, den) = self.parts();
        let exact = |v: UBig| {
            let r = v.nth_root(n as usize);
            (r.pow(n as usize) == v).then_some(r)
        };
        let num = exact(UBig::try_from(num).ok()?)?;
        Self::from_parts(num.into(), exact(den)?)
    }
}

fn word_root(v: i64, n: u32) -> Option<i64> {
    if n == 1 || v < 2 {
        return Some(v);
    }
    let guess = libm::round(libm::pow(v as f64, 1.0 / f64::from(n))) as i64;
    (guess - 1..=guess + 1).find(|r| r.checked_pow(n) == Some(v))
}

fn gcd(a: u128, b: u128) -> u128 {
    if let (Ok(mut a), Ok(mut b)) = (u64::try_from(a), u64::try_from(b)) {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        return u128::from(a.max(1));
    }
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

/// Greatest common divisor of two integers given as rationals; `None` for others.
pub fn gcd_rat(a: &Rat, b: &Rat) -> Option<Rat> {
    if !a.is_int() || !b.is_int() {
        return None;
    }
    let (a, b) = (a.parts().0, b.parts().0);
    if a.is_zero() && b.is_zero() {
        return Some(Rat::ZERO);
    }
    Some(Rat::from_ibig(a.gcd(b).into()))
}

impl PartialEq for Rat {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Small(a, b), Self::Small(c, d)) => a == c && b == d,
            (Self::Big(a), Self::Big(b)) => a == b,
            // One fits words and the other does not.
            _ => false,
        }
    }
}

impl Eq for Rat {}

impl Hash for Rat {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Small(n, d) => (n, d).hash(state),
            Self::Big(b) => b.hash(state),
        }
    }
}

impl PartialOrd for Rat {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rat {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Small(a, b), Self::Small(c, d)) => {
                (i128::from(*a) * i128::from(*d)).cmp(&(i128::from(*c) * i128::from(*b)))
            }
            _ => self.to_rbig().cmp(&other.to_rbig()),
        }
    }
}
