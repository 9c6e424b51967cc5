//! Canonical expressions, hash-consed: equal forms have equal [`Id`]s.
//!
//! Sums and products are flat and sorted, rationals folded, like terms and like powers collected.
//! Nothing is expanded; what expansion would decide is decided by evaluation.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::math::number::rat::{MAX_BITS, Rat};
use crate::math::number::{Eval, Fail, Fuel};
use crate::math::tree::{BigOp, Constant, Function};

/// A node of an [`Arena`].
pub type Id = u32;

/// A name of an [`Arena`]: a variable or an unknown function.
pub type NameId = u32;

/// An expression whose parts are nodes of the same arena.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Node {
    /// An exact rational.
    Rat(Rat),
    /// A named constant.
    Const(Constant),
    /// A variable.
    Sym(NameId),
    /// At least two terms, sorted.
    Add(Box<[Id]>),
    /// At least two factors, a rational first, the others sorted.
    Mul(Box<[Id]>),
    /// Base and exponent.
    Pow(Id, Id),
    /// A function with a fixed meaning.
    Call(Function, Box<[Id]>),
    /// An unknown function.
    Apply(NameId, Box<[Id]>),
    /// An operator with a bound variable.
    Bound(BigOp, NameId, Option<Id>, Option<Id>, Id),
    /// A value where a condition holds: `(condition left, relation code, condition right, value)`.
    Choose(Box<[(Option<Condition>, Id)]>),
}

impl Node {
    /// How many direct parts there are.
    fn width(&self) -> usize {
        match self {
            Self::Add(p) | Self::Mul(p) | Self::Call(_, p) | Self::Apply(_, p) => p.len(),
            Self::Choose(cases) => cases.len(),
            Self::Rat(_) | Self::Const(_) | Self::Sym(_) => 0,
            Self::Pow(..) | Self::Bound(..) => 2,
        }
    }
}

/// A comparison of two nodes, the condition of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Condition {
    /// Left side minus right side.
    pub difference: Id,
    /// Which signs of the difference satisfy it: negative, zero, positive.
    pub signs: [bool; 3],
}

#[derive(Default)]
struct Fx(u64);

impl Hasher for Fx {
    fn finish(&self) -> u64 {
        // The product's high bits are the good ones, and tables use both ends.
        self.0 ^ (self.0 >> 32)
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }
    fn write_u8(&mut self, v: u8) {
        self.write_u64(u64::from(v));
    }
    fn write_u32(&mut self, v: u32) {
        self.write_u64(u64::from(v));
    }
    fn write_u64(&mut self, v: u64) {
        self.0 = (self.0.rotate_left(5) ^ v).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
    fn write_usize(&mut self, v: usize) {
        self.write_u64(v as u64);
    }
}

/// Storage of canonical expressions, and the work limit of building them.
pub struct Arena {
    nodes: Vec<Node>,
    index: HashMap<Node, Id, BuildHasherDefault<Fx>>,
    names: Vec<String>,
    /// What is left of the work limit.
    pub fuel: Fuel,
    /// What is left of the work limit of 192-bit functions.
    pub deep_fuel: Fuel,
}

impl Arena {
    /// An empty arena with its work limits.
    pub fn new(fuel: Fuel, deep_fuel: Fuel) -> Self {
        Self {
            nodes: Vec::with_capacity(32),
            index: HashMap::default(),
            names: Vec::new(),
            fuel,
            deep_fuel,
        }
    }

    /// The node behind `id`.
    pub fn node(&self, id: Id) -> &Node {
        &self.nodes[id as usize]
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The number of `name`.
    pub fn name_id(&mut self, name: &str) -> NameId {
        if let Some(at) = self.names.iter().position(|n| n == name) {
            return at as NameId;
        }
        self.names.push(name.to_owned());
        (self.names.len() - 1) as NameId
    }

    /// The name numbered `id`.
    pub fn name(&self, id: NameId) -> &str {
        &self.names[id as usize]
    }

    /// Stores a node as it is.
    pub fn intern(&mut self, node: Node) -> Eval<Id> {
        self.fuel.spend(8 + node.width() as u64)?;
        if let Some(id) = self.index.get(&node) {
            return Ok(*id);
        }
        let id = Id::try_from(self.nodes.len()).map_err(|_| Fail::Fuel)?;
        self.nodes.push(node.clone());
        self.index.insert(node, id);
        Ok(id)
    }

    /// A rational.
    pub fn rat(&mut self, value: Rat) -> Eval<Id> {
        self.intern(Node::Rat(value))
    }

    /// A small integer.
    pub fn int(&mut self, value: i64) -> Eval<Id> {
        self.rat(Rat::int(value))
    }

    /// A named constant.
    pub fn constant(&mut self, c: Constant) -> Eval<Id> {
        self.intern(Node::Const(c))
    }

    /// A variable.
    pub fn symbol(&mut self, name: &str) -> Eval<Id> {
        let name = self.name_id(name);
        self.intern(Node::Sym(name))
    }

    /// The value, if `id` is a rational.
    pub fn as_rat(&self, id: Id) -> Option<&Rat> {
        match self.node(id) {
            Node::Rat(r) => Some(r),
            _ => None,
        }
    }

    /// The value, if `id` is an integer that fits a word.
    pub fn as_int(&self, id: Id) -> Option<i64> {
        self.as_rat(id)?.to_i64()
    }

    /// Negation.
    pub fn neg(&mut self, a: Id) -> Eval<Id> {
        let minus = self.int(-1)?;
        self.mul(&[minus, a])
    }

    /// Difference.
    pub fn sub(&mut self, a: Id, b: Id) -> Eval<Id> {
        let b = self.neg(b)?;
        self.add(&[a, b])
    }

    /// Quotient.
    pub fn div(&mut self, a: Id, b: Id) -> Eval<Id> {
        let minus = self.int(-1)?;
        let b = self.pow(b, minus)?;
        self.mul(&[a, b])
    }

    /// The infinity's sign, if `id` is one.
    pub fn as_infinity(&self, id: Id) -> Option<i32> {
        match self.node(id) {
            Node::Const(Constant::Infinity) => Some(1),
            Node::Mul(parts) => match (&**parts, parts.len()) {
                ([c, inf], 2) if self.as_infinity(*inf) == Some(1) => {
                    Some(self.as_rat(*c)?.signum())
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn is_undefined(&self, id: Id) -> bool {
        matches!(self.node(id), Node::Const(Constant::Undefined))
    }

    fn infinity(&mut self, sign: i32) -> Eval<Id> {
        let inf = self.constant(Constant::Infinity)?;
        if sign > 0 {
            return Ok(inf);
        }
        let minus = self.int(-1)?;
        self.intern(Node::Mul([minus, inf].into()))
    }

    /// Splits a term into its rational factor and the rest.
    pub fn split_term(&mut self, id: Id) -> Eval<(Rat, Option<Id>)> {
        Ok(match self.node(id) {
            Node::Rat(r) => (r.clone(), None),
            Node::Mul(parts) => match self.as_rat(parts[0]) {
                Some(c) => {
                    let c = c.clone();
                    let rest = parts[1..].to_vec();
                    let rest = match rest[..] {
                        [one] => one,
                        _ => self.intern(Node::Mul(rest.into()))?,
                    };
                    (c, Some(rest))
                }
                None => (Rat::ONE, Some(id)),
            },
            _ => (Rat::ONE, Some(id)),
        })
    }

    fn scaled(&mut self, c: Rat, rest: Id) -> Eval<Id> {
        if c.is_one() {
            return Ok(rest);
        }
        let c = self.rat(c)?;
        let mut parts = vec![c];
        match self.node(rest) {
            Node::Mul(inner) => parts.extend_from_slice(inner),
            _ => parts.push(rest),
        }
        self.intern(Node::Mul(parts.into()))
    }

    /// Sum of `terms`.
    pub fn add(&mut self, terms: &[Id]) -> Eval<Id> {
        let mut constant = Rat::ZERO;
        let mut rest: Vec<(Id, Rat)> = Vec::with_capacity(terms.len());
        let mut infinite = 0;
        let mut stack: Vec<Id> = terms.iter().rev().copied().collect();
        while let Some(t) = stack.pop() {
            self.fuel.spend(2)?;
            if self.is_undefined(t) {
                return Ok(t);
            }
            if let Some(sign) = self.as_infinity(t) {
                if infinite * sign < 0 {
                    return self.constant(Constant::Undefined);
                }
                infinite = sign;
                continue;
            }
            if let Node::Add(parts) = self.node(t) {
                stack.extend(parts.iter().rev());
                continue;
            }
            match self.split_term(t)? {
                (c, None) => constant = self.rat_sum(&constant, &c)?,
                (c, Some(r)) => rest.push((r, c)),
            }
        }
        if infinite != 0 {
            return self.infinity(infinite);
        }
        rest.sort_by_key(|(id, _)| *id);
        let mut out: Vec<Id> = Vec::with_capacity(rest.len() + 1);
        let mut at = 0;
        while at < rest.len() {
            let (id, mut c) = rest[at].clone();
            at += 1;
            while at < rest.len() && rest[at].0 == id {
                c = self.rat_sum(&c, &rest[at].1)?;
                at += 1;
            }
            if !c.is_zero() {
                out.push(self.scaled(c, id)?);
            }
        }
        if !constant.is_zero() || out.is_empty() {
            out.push(self.rat(constant)?);
        }
        if let [one] = out[..] {
            return Ok(one);
        }
        out.sort_unstable();
        self.intern(Node::Add(out.into()))
    }

    /// Charges for an operation before it is done, and refuses one whose result could be too long.
    fn charge(&mut self, a: &Rat, b: &Rat) -> Eval<()> {
        self.fuel.spend(a.work(b))?;
        if a.bits() + b.bits() > 8 * MAX_BITS {
            Err(Fail::Fuel)
        } else {
            Ok(())
        }
    }

    /// Sum of rationals within the work limit.
    pub fn rat_sum(&mut self, a: &Rat, b: &Rat) -> Eval<Rat> {
        self.charge(a, b)?;
        Ok(a.add(b))
    }

    /// Product of rationals within the work limit.
    pub fn rat_product(&mut self, a: &Rat, b: &Rat) -> Eval<Rat> {
        self.charge(a, b)?;
        Ok(a.mul(b))
    }

    /// Quotient of rationals within the work limit, `None` when dividing by zero.
    pub fn rat_quotient(&mut self, a: &Rat, b: &Rat) -> Eval<Option<Rat>> {
        self.charge(a, b)?;
        Ok(a.div(b))
    }

    /// `base ^ exponent` within the work limit, `None` for `0^-n` or a result over [`MAX_BITS`].
    pub fn rat_power(&mut self, base: &Rat, exponent: i64) -> Eval<Option<Rat>> {
        let words = (base.bits() as u64).saturating_mul(exponent.unsigned_abs()) / 64;
        let words = words.min(MAX_BITS as u64 / 64);
        self.fuel.spend(words * words / 16)?;
        Ok(base.powi(exponent))
    }

    /// The exact `index`-th root of a rational within the work limit, if it is rational.
    pub fn rat_root(&mut self, base: &Rat, index: u32) -> Eval<Option<Rat>> {
        self.fuel.spend(base.work(base))?;
        Ok(base.root(index))
    }

    /// Product of `factors`.
    pub fn mul(&mut self, factors: &[Id]) -> Eval<Id> {
        let mut coefficient = Rat::ONE;
        let mut rest: Vec<(Id, Id)> = Vec::with_capacity(factors.len());
        let mut infinite = false;
        let mut stack: Vec<Id> = factors.iter().rev().copied().collect();
        let one = self.int(1)?;
        // Collecting powers may yield new rationals and products, which are taken up again.
        for _ in 0..4 {
            while let Some(f) = stack.pop() {
                self.fuel.spend(2)?;
                match self.node(f) {
                    Node::Rat(r) => {
                        let r = r.clone();
                        coefficient = self.rat_product(&coefficient, &r)?;
                    }
                    Node::Mul(parts) => stack.extend(parts.iter().rev()),
                    Node::Pow(b, e) => rest.push((*b, *e)),
                    Node::Const(Constant::Undefined) => return Ok(f),
                    Node::Const(Constant::Infinity) => infinite = true,
                    _ => rest.push((f, one)),
                }
            }
            rest.sort_by_key(|(base, _)| *base);
            let before = rest.len();
            let mut merged: Vec<(Id, Id)> = Vec::with_capacity(before);
            let mut again = Vec::new();
            let mut at = 0;
            while at < rest.len() {
                let (base, mut exponent) = rest[at];
                at += 1;
                let from = at;
                while at < rest.len() && rest[at].0 == base {
                    exponent = self.add(&[exponent, rest[at].1])?;
                    at += 1;
                }
                if at == from {
                    merged.push((base, exponent));
                } else {
                    again.push(self.pow(base, exponent)?);
                }
            }
            rest = merged;
            if again.is_empty() {
                break;
            }
            stack = again;
        }
        for f in stack {
            rest.push((f, one));
        }
        if coefficient.is_zero() {
            return if infinite {
                self.constant(Constant::Undefined)
            } else {
                self.int(0)
            };
        }
        if infinite && rest.is_empty() {
            return self.infinity(coefficient.signum());
        }
        let mut out = Vec::with_capacity(rest.len() + 1);
        for (base, exponent) in rest {
            out.push(if exponent == one {
                base
            } else {
                self.intern(Node::Pow(base, exponent))?
            });
        }
        if infinite {
            out.push(self.constant(Constant::Infinity)?);
        }
        out.sort_unstable();
        if out.is_empty() {
            return self.rat(coefficient);
        }
        if !coefficient.is_one() {
            // A sum takes a rational factor in, so that `-(a - b)` and `b - a` are one form.
            if let ([only], Node::Add(parts)) = (&out[..], self.node(out[0])) {
                let _ = only;
                let parts = parts.to_vec();
                let mut terms = Vec::with_capacity(parts.len());
                for p in parts {
                    let (c, r) = self.split_term(p)?;
                    let c = self.rat_product(&c, &coefficient)?;
                    terms.push(match r {
                        Some(r) => self.scaled(c, r)?,
                        None => self.rat(c)?,
                    });
                }
                return self.add(&terms);
            }
            let c = self.rat(coefficient)?;
            out.insert(0, c);
        }
        if let [one] = out[..] {
            return Ok(one);
        }
        self.intern(Node::Mul(out.into()))
    }
}
