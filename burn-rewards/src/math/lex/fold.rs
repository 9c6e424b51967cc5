//! Unicode characters and what they stand for.

use std::borrow::Cow;

use super::token::{Delim, Token};
use crate::math::tree::{BigOp, Constant, NumberSet, RelOp};

/// What a character beyond ASCII means.
pub(super) enum Folded {
    /// One token.
    Token(Token<'static>),
    /// White space, zero-width characters and currency signs.
    Ignore,
    /// The same as an ASCII character: full-width forms.
    Ascii(u8),
    /// A raised character: a power.
    Superscript(char),
    /// A lowered digit: a subscript.
    Subscript(char),
    /// A fraction such as ½.
    Fraction(u8, u8),
}

/// The meaning of `c`, if it has one.
#[allow(clippy::too_many_lines)] // one table
pub(super) fn fold(c: char) -> Option<Folded> {
    use Folded as F;
    use Token as T;
    let token = match c {
        '\u{a0}'
        | '\u{1680}'
        | '\u{2000}'..='\u{200f}'
        | '\u{2028}'..='\u{202f}'
        | '\u{205f}'..='\u{2064}'
        | '\u{3000}'
        | '\u{feff}'
        | '\u{ad}'
        | '€'
        | '£'
        | '¥'
        | '₹'
        | '₽'
        | '₪'
        | '₩'
        | '₫'
        | '฿'
        | '“'
        | '”'
        | '„' => return Some(F::Ignore),
        '\u{ff01}'..='\u{ff5e}' => {
            return u8::try_from(c as u32 - 0xff01 + 0x21).ok().map(F::Ascii);
        }
        '−' | '‐' | '‑' | '‒' | '–' | '—' | '∸' => T::Minus,
        '∔' | '⊕' | '⊞' => T::Plus,
        '×' | '·' | '⋅' | '∙' | '•' | '∗' | '⋆' | '⊗' => T::Times,
        '÷' | '∕' | '⁄' => T::Slash,
        '∶' => T::Colon,
        '±' => T::PlusMinus,
        '∓' => T::MinusPlus,
        '√' => T::Sqrt,
        '∞' => T::Constant(Constant::Infinity),
        'π' => T::Constant(Constant::Pi),
        '°' | 'º' | '˚' => T::Degree,
        '′' | '’' | '‘' => T::Prime,
        '≤' | '≦' | '⩽' => T::Rel(RelOp::Le),
        '≥' | '≧' | '⩾' => T::Rel(RelOp::Ge),
        '≠' => T::Rel(RelOp::Ne),
        '≈' | '≃' | '≅' | '≊' => T::Rel(RelOp::Approx),
        '≡' => T::Rel(RelOp::Equiv),
        '∈' => T::Rel(RelOp::In),
        '∉' => T::Rel(RelOp::NotIn),
        '⊂' | '⊆' => T::Rel(RelOp::Subset),
        '⊃' | '⊇' => T::Rel(RelOp::Superset),
        '→' => T::Rel(RelOp::Arrow),
        '⇒' | '∴' | '⇔' => T::Therefore,
        '∥' => T::Rel(RelOp::Parallel),
        '⊥' => T::Rel(RelOp::Perpendicular),
        '∧' => T::Land,
        '∨' => T::Lor,
        '¬' => T::Lnot,
        '∪' => T::Cup,
        '∩' => T::Cap,
        '∖' => T::SetMinus,
        '∅' => T::EmptySet,
        'ℕ' => T::NumberSet(NumberSet::Naturals),
        'ℤ' => T::NumberSet(NumberSet::Integers),
        'ℚ' => T::NumberSet(NumberSet::Rationals),
        'ℝ' => T::NumberSet(NumberSet::Reals),
        'ℂ' => T::NumberSet(NumberSet::Complexes),
        'ℙ' => T::NumberSet(NumberSet::Primes),
        '∑' => T::BigOp(BigOp::Sum),
        '∏' => T::BigOp(BigOp::Product),
        '∫' => T::BigOp(BigOp::Integral),
        '…' | '⋯' => T::Dots,
        '∣' => T::Mid,
        '⌊' => T::Open(Delim::Floor),
        '⌋' => T::Close(Delim::Floor),
        '⌈' => T::Open(Delim::Ceil),
        '⌉' => T::Close(Delim::Ceil),
        '⟨' | '〈' => T::Open(Delim::Angle),
        '⟩' | '〉' => T::Close(Delim::Angle),
        '、' | '或' | '和' | '与' | '及' | '且' => T::Comma,
        '。' => T::Period,
        '∂' => T::Partial,
        '½' => return Some(F::Fraction(1, 2)),
        '⅓' => return Some(F::Fraction(1, 3)),
        '⅔' => return Some(F::Fraction(2, 3)),
        '¼' => return Some(F::Fraction(1, 4)),
        '¾' => return Some(F::Fraction(3, 4)),
        '⅕' => return Some(F::Fraction(1, 5)),
        '⅖' => return Some(F::Fraction(2, 5)),
        '⅗' => return Some(F::Fraction(3, 5)),
        '⅘' => return Some(F::Fraction(4, 5)),
        '⅙' => return Some(F::Fraction(1, 6)),
        '⅚' => return Some(F::Fraction(5, 6)),
        '⅐' => return Some(F::Fraction(1, 7)),
        '⅛' => return Some(F::Fraction(1, 8)),
        '⅜' => return Some(F::Fraction(3, 8)),
        '⅝' => return Some(F::Fraction(5, 8)),
        '⅞' => return Some(F::Fraction(7, 8)),
        '⅑' => return Some(F::Fraction(1, 9)),
        '⅒' => return Some(F::Fraction(1, 10)),
        _ => {
            if let Some(at) = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱˣ".chars().position(|s| s == c)
            {
                return "0123456789+-nix".chars().nth(at).map(F::Superscript);
            }
            if let Some(at) = "₀₁₂₃₄₅₆₇₈₉ₙₓ".chars().position(|s| s == c) {
                return "0123456789nx".chars().nth(at).map(F::Subscript);
            }
            T::Name(Cow::Borrowed(greek(c)?))
        }
    };
    Some(F::Token(token))
}

fn greek(c: char) -> Option<&'static str> {
    Some(match c {
        'α' => "alpha",
        'β' => "beta",
        'γ' => "gamma",
        'δ' => "delta",
        'ε' | 'ϵ' => "epsilon",
        'ζ' => "zeta",
        'η' => "eta",
        'θ' => "theta",
        'ϑ' => "vartheta",
        'ι' => "iota",
        'κ' => "kappa",
        'λ' => "lambda",
        'μ' | 'µ' => "mu",
        'ν' => "nu",
        'ξ' => "xi",
        'ρ' => "rho",
        'σ' => "sigma",
        'ς' => "varsigma",
        'τ' => "tau",
        'υ' => "upsilon",
        'φ' => "phi",
        'ϕ' => "varphi",
        'χ' => "chi",
        'ψ' => "psi",
        'ω' => "omega",
        'Γ' => "Gamma",
        'Δ' => "Delta",
        'Θ' => "Theta",
        'Λ' => "Lambda",
        'Ξ' => "Xi",
        'Π' => "Pi",
        'Σ' => "Sigma",
        'Φ' => "Phi",
        'Ψ' => "Psi",
        'Ω' => "Omega",
        'ℓ' => "ell",
        '∠' => "angle",
        '△' => "triangle",
        _ => return None,
    })
}
