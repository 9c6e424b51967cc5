//! The meaning of LaTeX commands and of words that read as commands.

use std::borrow::Cow;

use super::token::{Delim, LogKind, Token};
use crate::math::tree::{BigOp, Constant, Function, NumberSet, RelOp};

/// What a command without its backslash means; `None` for one that is unknown.
pub(super) enum Command {
    /// One token.
    Token(Token<'static>),
    /// Spacing or style: nothing.
    Ignore,
    /// Nothing, with its braced argument: `\hspace{1cm}`.
    IgnoreArgument,
    /// `\left`, `\right` and sizes: the bracket that follows is opening, closing or unknown.
    Size(Side),
    /// `\text{…}` and its kin.
    Text,
    /// `\mathrm{…}`, `\mathbf{…}`, `\operatorname{…}`; the flag says the letters are vectors.
    Roman {
        /// Whether a letter in it is another symbol than the plain one.
        bold: bool,
    },
    /// `\mathbb{…}`.
    Blackboard,
    /// `\begin`.
    Begin,
    /// `\end`.
    End,
    /// `\not`: negates the relation that follows.
    Not,
    /// `\dot`: a repeating digit or a decoration.
    Dot,
}

/// On which side a sized bracket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// `\left`, `\bigl`.
    Left,
    /// `\right`, `\bigr`.
    Right,
    /// `\big`, `\middle`.
    Either,
}

const GREEK: [&str; 39] = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "varepsilon",
    "zeta",
    "eta",
    "theta",
    "vartheta",
    "iota",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "omicron",
    "varpi",
    "rho",
    "varrho",
    "sigma",
    "varsigma",
    "tau",
    "upsilon",
    "phi",
    "varphi",
    "chi",
    "psi",
    "omega",
    "Gamma",
    "Delta",
    "Theta",
    "Lambda",
    "Xi",
    "Pi",
    "Sigma",
    "Phi",
    "Psi",
    "Omega",
];

const OTHER_SYMBOLS: [&str; 21] = [
    "ell",
    "hbar",
    "angle",
    "measuredangle",
    "triangle",
    "square",
    "prime",
    "Upsilon",
    "aleph",
    "nabla",
    "jmath",
    "star",
    "ast",
    "diamond",
    "clubsuit",
    "heartsuit",
    "spadesuit",
    "diamondsuit",
    "odot",
    "wp",
    "bigstar",
];

/// The meaning of `\name`.
#[allow(clippy::too_many_lines)] // one table
pub(super) fn command(name: &str) -> Option<Command> {
    use Command as C;
    use Token as T;
    let token = match name {
        "frac" | "dfrac" | "tfrac" | "cfrac" | "nicefrac" | "sfrac" => T::Frac,
        "sqrt" => T::Sqrt,
        "cdot" | "times" | "bullet" => T::Times,
        "pi" => T::Constant(Constant::Pi),
        "infty" => T::Constant(Constant::Infinity),
        "exponentialE" => T::Constant(Constant::E),
        "imath" | "i" => T::Constant(Constant::I),
        "bot" => T::Constant(Constant::Undefined),
        "div" => T::Slash,
        "colon" => T::Colon,
        "pm" => T::PlusMinus,
        "mp" => T::MinusPlus,
        "le" | "leq" | "leqslant" | "leqq" => T::Rel(RelOp::Le),
        "ge" | "geq" | "geqslant" | "geqq" => T::Rel(RelOp::Ge),
        "lt" => T::Rel(RelOp::Lt),
        "gt" => T::Rel(RelOp::Gt),
        "ne" | "neq" => T::Rel(RelOp::Ne),
        "approx" | "simeq" | "thickapprox" | "approxeq" | "doteq" => T::Rel(RelOp::Approx),
        "equiv" | "cong" | "sim" => T::Rel(RelOp::Equiv),
        "in" => T::Rel(RelOp::In),
        "notin" => T::Rel(RelOp::NotIn),
        "subset" | "subseteq" => T::Rel(RelOp::Subset),
        "supset" | "supseteq" => T::Rel(RelOp::Superset),
        "to" | "mapsto" | "rightarrow" | "longrightarrow" | "leftrightarrow" | "longmapsto" => {
            T::Rel(RelOp::Arrow)
        }
        "parallel" => T::Rel(RelOp::Parallel),
        "perp" => T::Rel(RelOp::Perpendicular),
        "Rightarrow" | "Longrightarrow" | "implies" | "therefore" | "because" | "iff"
        | "Leftrightarrow" | "Longleftrightarrow" => T::Therefore,
        "land" | "wedge" => T::Land,
        "lor" | "vee" => T::Lor,
        "neg" | "lnot" => T::Lnot,
        "cup" | "bigcup" | "sqcup" => T::Cup,
        "cap" | "bigcap" => T::Cap,
        "setminus" | "backslash" | "smallsetminus" => T::SetMinus,
        "emptyset" | "varnothing" => T::EmptySet,
        "sum" => T::BigOp(BigOp::Sum),
        "prod" => T::BigOp(BigOp::Product),
        "int" => T::BigOp(BigOp::Integral),
        "lim" => T::BigOp(BigOp::Limit),
        "log" => T::Log(LogKind::Log),
        "ln" => T::Log(LogKind::Ln),
        "lg" => T::Log(LogKind::Lg),
        "binom" | "dbinom" | "tbinom" => T::Binom,
        "choose" => T::Choose,
        "over" => T::Over,
        "bmod" | "mod" => T::Mod,
        "pmod" => T::Pmod,
        "partial" => T::Partial,
        "circ" | "circle" => T::Circ,
        "degree" | "deg" | "textdegree" => T::Degree,
        "top" => T::Top,
        "prime" => T::Prime,
        "mid" => T::Mid,
        "vert" => T::Bar,
        "Vert" => T::Bar,
        "lvert" | "lVert" => T::Open(Delim::Bar),
        "rvert" | "rVert" => T::Close(Delim::Bar),
        "lbrace" => T::Open(Delim::Set),
        "rbrace" => T::Close(Delim::Set),
        "lbrack" => T::Open(Delim::Bracket),
        "rbrack" => T::Close(Delim::Bracket),
        "lgroup" | "lparen" => T::Open(Delim::Paren),
        "rgroup" | "rparen" => T::Close(Delim::Paren),
        "lfloor" | "llcorner" => T::Open(Delim::Floor),
        "rfloor" | "lrcorner" => T::Close(Delim::Floor),
        "lceil" | "ulcorner" => T::Open(Delim::Ceil),
        "rceil" | "urcorner" => T::Close(Delim::Ceil),
        "langle" => T::Open(Delim::Angle),
        "rangle" => T::Close(Delim::Angle),
        "ldots" | "cdots" | "dots" | "dotsc" | "dotsb" | "vdots" | "ddots" => T::Dots,
        "boxed" | "fbox" => T::Boxed,
        "overline" | "bar" | "widebar" => T::Decoration("bar"),
        "vec" | "overrightarrow" => T::Decoration("vec"),
        "hat" | "widehat" => T::Decoration("hat"),
        "tilde" | "widetilde" => T::Decoration("tilde"),
        "ddot" => T::Decoration("ddot"),
        "overarc" | "overparen" | "wideparen" | "overset\\frown" => T::Decoration("arc"),
        "left" | "bigl" | "Bigl" | "biggl" | "Biggl" | "mleft" => return Some(C::Size(Side::Left)),
        "right" | "bigr" | "Bigr" | "biggr" | "Biggr" | "mright" => {
            return Some(C::Size(Side::Right));
        }
        "big" | "Big" | "bigg" | "Bigg" | "middle" => return Some(C::Size(Side::Either)),
        "text" | "textbf" | "textit" | "textrm" | "textnormal" | "mbox" | "textsf" | "texttt"
        | "hbox" | "textsc" | "textup" => return Some(C::Text),
        "mathrm" | "mathit" | "operatorname" | "mathsf" | "mathtt" | "mathnormal" | "rm"
        | "mathop" | "mathord" => return Some(C::Roman { bold: false }),
        "mathbf" | "boldsymbol" | "bm" | "pmb" | "bf" => return Some(C::Roman { bold: true }),
        "mathcal" | "mathscr" | "mathfrak" => T::Decoration("mathcal"),
        "mathbb" => return Some(C::Blackboard),
        "begin" => return Some(C::Begin),
        "end" => return Some(C::End),
        "not" => return Some(C::Not),
        "dot" => return Some(C::Dot),
        "thinspace" | "medspace" | "thickspace" | "quad" | "qquad" | "negthinspace"
        | "negmedspace" | "negthickspace" | "displaystyle" | "textstyle" | "scriptstyle"
        | "limits" | "nolimits" | "hfill" | "hfil" | "vrule" | "vcenter" | "vbox" | "vskip"
        | "nonumber" | "notag" | "hline" | "cr" | "smallskip" | "medskip" | "bigskip" | "small"
        | "large" | "Large" | "normalsize" | "centering" | "noindent" | "enspace" | "space"
        | "it" | "sf" | "tt" | "hskip" | "strut" | "null" => return Some(C::Ignore),
        "hspace" | "vspace" | "label" | "tag" | "phantom" | "hphantom" | "vphantom" | "color"
        | "textcolor" | "kern" => return Some(C::IgnoreArgument),
        "underline" | "cancel" | "mathstrut" | "mathclose" | "mathopen" | "mathinner" => {
            return Some(C::Ignore);
        }
        _ => match function(name) {
            Some(f) => T::Function(f),
            None => {
                let symbol = GREEK.iter().chain(&OTHER_SYMBOLS).find(|s| **s == name)?;
                T::Name(Cow::Borrowed(*symbol))
            }
        },
    };
    Some(C::Token(token))
}

/// Functions by name, as commands, operator names and plain words.
pub(super) fn function(name: &str) -> Option<Function> {
    use Function as F;
    Some(match name {
        "sin" => F::Sin,
        "cos" => F::Cos,
        "tan" | "tg" => F::Tan,
        "cot" | "ctg" => F::Cot,
        "sec" => F::Sec,
        "csc" | "cosec" => F::Csc,
        "arcsin" | "asin" => F::Arcsin,
        "arccos" | "acos" => F::Arccos,
        "arctan" | "atan" | "arctg" => F::Arctan,
        "arccot" | "acot" | "arcctg" => F::Arccot,
        "arcsec" => F::Arcsec,
        "arccsc" => F::Arccsc,
        "sinh" => F::Sinh,
        "cosh" => F::Cosh,
        "tanh" => F::Tanh,
        "coth" => F::Coth,
        "arsinh" | "arcsinh" | "asinh" => F::Arsinh,
        "arcosh" | "arccosh" | "acosh" => F::Arcosh,
        "artanh" | "arctanh" | "atanh" => F::Artanh,
        "exp" => F::Exp,
        "gcd" => F::Gcd,
        "lcm" => F::Lcm,
        "max" => F::Max,
        "min" => F::Min,
        "det" => F::Det,
        "tr" | "trace" => F::Trace,
        "rank" => F::Rank,
        "abs" => F::Abs,
        "floor" => F::Floor,
        "ceil" => F::Ceil,
        "Re" => F::Re,
        "Im" => F::Im,
        "arg" | "Arg" => F::Arg,
        "sgn" | "sign" => F::Sign,
        _ => return None,
    })
}

/// Whether `name` is a Greek letter in letters.
pub(super) fn is_greek(name: &str) -> bool {
    GREEK.contains(&name)
}

/// What a run of plain letters means as a whole, if it is not a product of symbols.
pub(super) fn word(run: &str) -> Option<Token<'static>> {
    if run.len() < 2 {
        return None;
    }
    Some(match run {
        "and" | "or" | "And" | "Or" => Token::Comma,
        // A ratio in words: `3 to 4`.
        "to" => Token::Colon,
        "percent" | "percentage" | "pct" | "Percent" | "Percentage" | "Pct" => Token::Percent,
        "sqrt" => Token::Sqrt,
        "infinity" | "Infinity" | "inf" | "infty" => Token::Constant(Constant::Infinity),
        "pi" => Token::Constant(Constant::Pi),
        "log" => Token::Log(LogKind::Log),
        "ln" => Token::Log(LogKind::Ln),
        "lg" => Token::Log(LogKind::Lg),
        "mod" => Token::Mod,
        "tr" | "tg" | "Re" | "Im" | "det" | "rank" | "trace" | "sec" | "arg" | "Arg" | "sign" => {
            return None;
        }
        _ => Token::Function(function(run)?),
    })
}

/// `\mathbb{letter}`.
pub(super) fn blackboard(letter: &str) -> Option<NumberSet> {
    Some(match letter {
        "N" => NumberSet::Naturals,
        "Z" => NumberSet::Integers,
        "Q" => NumberSet::Rationals,
        "R" => NumberSet::Reals,
        "C" => NumberSet::Complexes,
        "P" => NumberSet::Primes,
        _ => return None,
    })
}
