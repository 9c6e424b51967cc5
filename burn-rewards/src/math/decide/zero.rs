//! Whether two canonical expressions have one value: everywhere if they hold variables.
//!
//! In this order: the same form; values modulo a prime; complex doubles at fixed points, which tell
//! unequal expressions apart; the same at 192 bits, which confirms equal ones. What none of them
//! decides is unknown.

use super::Decision;
use crate::math::Reason;
use crate::math::canon::{Arena, Id, NameId, Node};
use crate::math::eval::big::{Big, Bigs};
use crate::math::eval::c64::{C64, Doubles};
use crate::math::eval::modp::{Fp, MERSENNE_61, ModP, SECOND_PRIME};
use crate::math::eval::walk::Walk;
use crate::math::number::rat::Rat;
use crate::math::number::{Eval, Fail, Fuel, hash_name, mix};
use crate::math::tree::{Constant, Function};

/// Points tried in doubles.
const POINTS: u64 = 12;

/// Points at which both sides must agree before 192 bits are asked.
const NEEDED: usize = 3;

/// Agreement to this many bits, relative to the larger side or to one, is equality.
const CONFIRMED_BITS: f64 = 60.0;

/// What occurs in an expression.
#[derive(Debug, Default, Clone)]
pub(super) struct Contents {
    /// Variables and unknown functions.
    pub free: bool,
    /// Variables that stand where only whole numbers make sense.
    pub whole: Vec<NameId>,
    /// Variables in order of appearance.
    pub variables: Vec<NameId>,
}

impl Contents {
    pub(super) fn of(arena: &Arena, roots: &[Id]) -> Self {
        let mut out = Self::default();
        let mut seen = vec![false; arena.len()];
        for r in roots {
            out.visit(arena, *r, false, &mut seen);
        }
        out
    }

    fn visit(&mut self, arena: &Arena, id: Id, whole: bool, seen: &mut [bool]) {
        if seen[id as usize] && !whole {
            return;
        }
        seen[id as usize] = true;
        match arena.node(id) {
            Node::Rat(_) | Node::Const(_) => {}
            Node::Sym(v) => {
                if arena.name(*v).starts_with('\u{1}') {
                    return;
                }
                self.free = true;
                if !self.variables.contains(v) {
                    self.variables.push(*v);
                }
                if whole && !self.whole.contains(v) {
                    self.whole.push(*v);
                }
            }
            Node::Pow(b, e) => {
                self.visit(arena, *b, whole, seen);
                self.visit(arena, *e, whole, seen);
            }
            Node::Call(f, parts) => {
                let discrete = matches!(
                    f,
                    Function::Factorial
                        | Function::DoubleFactorial
                        | Function::Binomial
                        | Function::Permutations
                        | Function::FallingFactorial
                        | Function::Gcd
                        | Function::Lcm
                );
                for p in parts {
                    self.visit(arena, *p, whole || discrete, seen);
                }
            }
            Node::Add(parts) | Node::Mul(parts) => {
                for p in parts {
                    self.visit(arena, *p, whole, seen);
                }
            }
            Node::Apply(_, parts) => {
                self.free = true;
                for p in parts {
                    self.visit(arena, *p, whole, seen);
                }
            }
            Node::Bound(_, _, lo, hi, body) => {
                for p in lo.iter().chain(hi) {
                    self.visit(arena, *p, true, seen);
                }
                self.visit(arena, *body, whole, seen);
            }
            Node::Choose(cases) => {
                for (c, v) in cases {
                    if let Some(c) = c {
                        self.visit(arena, c.difference, whole, seen);
                    }
                    self.visit(arena, *v, whole, seen);
                }
            }
        }
    }
}

/// The value of a variable at a point: a dyadic number, exact in every domain. Points differ in
/// sign and in whether sizes are above or below one.
pub(super) fn sample(name: &str, point: u64, whole: bool) -> Rat {
    let h = mix(hash_name(name) ^ mix(point));
    if whole {
        return Rat::int(2 + ((h >> 8) % 9) as i64 + (point as i64 % 3));
    }
    let fraction = (h >> 16) as i64 & 0xffff;
    let (low, span) = match point % 6 {
        0 | 2 => (0x3000, 0xc000),
        1 | 3 => (0x1_2000, 0x2_0000),
        4 => (0x8000, 0x4_0000),
        _ => (0x3_0000, 0x5_0000),
    };
    let size = low + span * fraction / 0x1_0000;
    let negative = match point % 6 {
        0 | 1 => false,
        2 | 3 => true,
        _ => h & 1 == 1,
    };
    Rat::ratio(if negative { -size } else { size }, 0x1_0000).unwrap_or(Rat::ONE)
}

/// Evaluates both sides modulo `p` at one point.
fn modular(arena: &Arena, a: Id, b: Id, p: u64, seed: u64, fuel: &mut Fuel) -> Eval<(Fp, Fp)> {
    let mut walk = Walk::new(arena, ModP::new(p, seed), fuel);
    Ok((walk.eval(a)?, walk.eval(b)?))
}

fn by_residues(arena: &Arena, a: Id, b: Id, fuel: &mut Fuel) -> Option<Decision> {
    let points = [(MERSENNE_61, 1), (MERSENNE_61, 2), (SECOND_PRIME, 3)];
    for (p, seed) in points {
        let (x, y) = modular(arena, a, b, p, seed, fuel).ok()?;
        if x.value != y.value {
            return (x.exact && y.exact).then(|| Decision::different(Reason::Modular));
        }
    }
    Some(Decision::equal(Reason::Modular))
}

/// Both sides in doubles at one point.
pub(super) fn doubles(
    arena: &Arena,
    ids: &[Id],
    contents: &Contents,
    point: u64,
    fuel: &mut Fuel,
) -> Eval<Vec<C64>> {
    let symbols = |name: &str| {
        let whole = contents.whole.iter().any(|w| arena.name(*w) == name);
        sample(name, point, whole)
    };
    let domain = Doubles {
        symbols: &symbols,
        fuel: Fuel::new(fuel.left()),
    };
    let mut walk = Walk::new(arena, domain, fuel);
    ids.iter().map(|id| walk.eval(*id)).collect()
}

fn bigs(
    arena: &Arena,
    ids: [Id; 2],
    contents: &Contents,
    point: u64,
    fuel: &mut Fuel,
) -> Eval<[Big; 2]> {
    let symbols = |name: &str| {
        let whole = contents.whole.iter().any(|w| arena.name(*w) == name);
        sample(name, point, whole)
    };
    let domain = Bigs::new(&symbols, Fuel::new(fuel.left()));
    let mut outer = Fuel::new(fuel.left());
    let mut walk = Walk::new(arena, domain, &mut outer);
    let values = walk.eval(ids[0]).and_then(|a| Ok([a, walk.eval(ids[1])?]));
    let used = 2 * fuel.left() - walk.domain.fuel.left() - walk.fuel.left();
    let _ = fuel.spend(used.min(fuel.left()));
    values
}

enum Closeness {
    Apart,
    Agree,
    Unclear,
}

fn closeness(x: &C64, y: &C64) -> Closeness {
    let gap = libm::hypot(x.re - y.re, x.im - y.im);
    let err = x.err + y.err;
    if gap > 4.0 * err {
        Closeness::Apart
    } else if err <= 1e-3 * (x.abs() + y.abs()) || err < 1e-9 {
        Closeness::Agree
    } else {
        Closeness::Unclear
    }
}

/// Whether `a` and `b` have one value.
pub(super) fn same_value(arena: &mut Arena, a: Id, b: Id) -> Decision {
    if a == b {
        return match arena.node(a) {
            Node::Const(Constant::Undefined) => Decision::different(Reason::NoPoint),
            _ => Decision::equal(Reason::SameForm),
        };
    }
    if arena.as_rat(a).is_some() && arena.as_rat(b).is_some() {
        return Decision::different(Reason::Exact);
    }
    if arena.as_infinity(a).is_some() || arena.as_infinity(b).is_some() {
        return Decision::different(Reason::SameForm);
    }
    let (mut fuel, mut deep) = (arena.fuel.clone(), arena.deep_fuel.clone());
    let out = by_evaluation(arena, a, b, &mut fuel, &mut deep);
    (arena.fuel, arena.deep_fuel) = (fuel, deep);
    out
}

fn by_evaluation(arena: &Arena, a: Id, b: Id, fuel: &mut Fuel, deep: &mut Fuel) -> Decision {
    if let Some(decided) = by_residues(arena, a, b, fuel) {
        return decided;
    }
    let contents = Contents::of(arena, &[a, b]);
    let points = if contents.free { POINTS } else { 1 };
    let mut agreeing = Vec::new();
    let mut unsupported = false;
    for point in 0..points {
        match doubles(arena, &[a, b], &contents, point, fuel) {
            Ok(v) => match closeness(&v[0], &v[1]) {
                Closeness::Apart => return Decision::different(Reason::Numeric),
                Closeness::Agree => agreeing.push(point),
                Closeness::Unclear => {}
            },
            Err(Fail::Fuel) if agreeing.len() >= NEEDED => break,
            Err(Fail::Fuel) => return Decision::unknown(Reason::Fuel),
            Err(Fail::Unsupported) => {
                unsupported = true;
                break;
            }
            Err(_) => {}
        }
        // Where one side has cases (a maximum, an absolute value, a root of a square), only other
        // points may be in the other case.
    }
    if unsupported {
        return Decision::unknown(Reason::Unsupported);
    }
    // Values beyond the range of doubles may still be compared at 192 bits.
    let to_confirm: Vec<u64> = if contents.free {
        if agreeing.len() < NEEDED {
            return Decision::unknown(Reason::NoPoint);
        }
        agreeing.into_iter().take(2).collect()
    } else {
        vec![0]
    };
    confirm(arena, [a, b], &contents, &to_confirm, deep)
}

fn confirm(
    arena: &Arena,
    ids: [Id; 2],
    contents: &Contents,
    points: &[u64],
    fuel: &mut Fuel,
) -> Decision {
    for point in points {
        let [x, y] = match bigs(arena, ids, contents, *point, fuel) {
            Ok(values) => values,
            Err(Fail::Fuel) => return Decision::unknown(Reason::Fuel),
            Err(Fail::Unsupported) => return Decision::unknown(Reason::Unsupported),
            Err(_) => return Decision::unknown(Reason::NoPoint),
        };
        let gap = x.distance_log2(&y);
        let err = x.err.max(y.err) + 1.0;
        if gap > err + 1.0 {
            return Decision::different(Reason::Numeric);
        }
        let scale = x.log2().max(y.log2()).max(0.0);
        if err > scale - CONFIRMED_BITS {
            return Decision::unknown(Reason::NoPoint);
        }
    }
    Decision::equal(Reason::Numeric)
}

/// The numeric value of a constant: in doubles where those are good to `digits` decimals, times
/// `10^digits` and rounded to the nearest integer; `None` if unknown or not real.
pub(super) fn rounded(arena: &mut Arena, id: Id, digits: u32) -> Option<dashu_int::IBig> {
    if let Some(r) = arena.as_rat(id) {
        return Some(r.round_scaled(digits));
    }
    let contents = Contents::of(arena, &[id]);
    if contents.free {
        return None;
    }
    let mut fuel = arena.fuel.clone();
    let value = doubles(arena, &[id], &contents, 0, &mut fuel);
    arena.fuel = fuel;
    let power = libm::pow(10.0, f64::from(digits));
    if let Ok(v) = &value {
        let v = v[0];
        if v.im.abs() * power > 0.5 {
            return None;
        }
        let scaled = v.re * power;
        let margin = v.err * power + scaled.abs() * 1e-15;
        let to_half = (scaled - libm::floor(scaled) - 0.5).abs();
        if scaled.abs() < 4e15 && to_half > margin {
            return Some(dashu_int::IBig::from(libm::round(scaled) as i64));
        }
    }
    let mut fuel = arena.deep_fuel.clone();
    let value = bigs(arena, [id, id], &contents, 0, &mut fuel);
    arena.deep_fuel = fuel;
    let [x, _] = value.ok()?;
    x.rounded_scaled(digits)
}

/// The value of a real constant in doubles.
pub(super) fn real(arena: &mut Arena, id: Id) -> Option<f64> {
    if let Some(r) = arena.as_rat(id) {
        return Some(r.to_f64());
    }
    if let Some(sign) = arena.as_infinity(id) {
        return Some(f64::INFINITY * f64::from(sign));
    }
    let contents = Contents::of(arena, &[id]);
    if contents.free {
        return None;
    }
    let mut fuel = arena.fuel.clone();
    let value = doubles(arena, &[id], &contents, 0, &mut fuel);
    arena.fuel = fuel;
    match value {
        Ok(v) if v[0].im.abs() <= v[0].err => Some(v[0].re),
        _ => None,
    }
}
