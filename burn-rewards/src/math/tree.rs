//! The typed tree of a mathematical answer: what the parser builds and the decision compares.
//!
//! The tree keeps what was *written* (a decimal stays a decimal, a percent stays a percent, a set
//! keeps its order); nothing is evaluated here. Recursion is bounded by the parser's depth limit,
//! so walking a tree recursively is safe.

use dashu_int::IBig;

/// A number literal: `mantissa · 10^exponent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// All written digits as an integer, with repeating digits written once.
    pub mantissa: IBig,
    /// Power of ten: `-2` for `3.14`; positive for `4E3`.
    pub exponent: i64,
    /// How many of the last digits repeat for ever: `1` for `0.8\overline{3}`, otherwise `0`.
    pub repeating: u32,
    /// Whether it was written with a decimal point or an exponent.
    pub decimal: bool,
}

impl Number {
    /// An integer literal.
    pub fn integer(value: impl Into<IBig>) -> Self {
        Self {
            mantissa: value.into(),
            exponent: 0,
            repeating: 0,
            decimal: false,
        }
    }
}

/// Named constants. `i` is one unless a sum, product or assignment binds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Constant {
    /// `\pi`.
    Pi,
    /// Euler's number, written `e`.
    E,
    /// The imaginary unit, written `i`, `I` or `\mathrm{i}`.
    I,
    /// `\infty`; minus infinity is its negation.
    Infinity,
    /// `\gamma` alone: the Euler–Mascheroni constant (as the Python library reads it).
    EulerGamma,
    /// `\bot`, "undefined", "DNE": no value.
    Undefined,
}

/// A variable or an undefined name: `x`, `x_{1}`, `\bar{x}`, `\alpha`, `f'`.
///
/// Two spellings of one symbol have the same `name`: subscripts are always braced, decorations are
/// `bar{x}`, Greek letters are their ASCII names. Letter case is kept; whether it matters is the
/// decision's business ([`Symbol::folded`]).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol(pub Box<str>);

impl Symbol {
    /// The name with letter case removed.
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

/// Functions with a fixed meaning. `\sin^{-1}` is parsed as [`Function::Arcsin`] and so on;
/// `\sin^2 x` is a power of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// `\sin`, one argument (as all down to `Artanh`).
    Sin,
    /// `\cos`.
    Cos,
    /// `\tan`.
    Tan,
    /// `\cot`.
    Cot,
    /// `\sec`.
    Sec,
    /// `\csc`.
    Csc,
    /// `\arcsin`.
    Arcsin,
    /// `\arccos`.
    Arccos,
    /// `\arctan`.
    Arctan,
    /// `\operatorname{arccot}`.
    Arccot,
    /// `\operatorname{arcsec}`.
    Arcsec,
    /// `\operatorname{arccsc}`.
    Arccsc,
    /// `\sinh`.
    Sinh,
    /// `\cosh`.
    Cosh,
    /// `\tanh`.
    Tanh,
    /// `\coth`.
    Coth,
    /// `\operatorname{arsinh}`.
    Arsinh,
    /// `\operatorname{arcosh}`.
    Arcosh,
    /// `\operatorname{artanh}`.
    Artanh,
    /// `\exp`.
    Exp,
    /// Logarithm: two arguments, the number and the base (`\ln` has base `e`, `\log` and `\lg` 10).
    Log,
    /// Absolute value, modulus or norm: one argument.
    Abs,
    /// Floor.
    Floor,
    /// Ceiling.
    Ceil,
    /// Factorial.
    Factorial,
    /// Double factorial `n!!`.
    DoubleFactorial,
    /// Binomial coefficient: two arguments, `n` and `k`.
    Binomial,
    /// Number of ordered selections `P(n, k)`: two arguments.
    Permutations,
    /// Falling factorial `(n)_k`: two arguments.
    FallingFactorial,
    /// Gamma function.
    Gamma,
    /// Greatest common divisor of all arguments.
    Gcd,
    /// Least common multiple of all arguments.
    Lcm,
    /// Largest argument.
    Max,
    /// Smallest argument.
    Min,
    /// Remainder: two arguments, dividend and modulus (`a \bmod n`).
    Mod,
    /// Determinant of a matrix.
    Det,
    /// Trace of a matrix.
    Trace,
    /// Rank of a matrix.
    Rank,
    /// Transpose `A^T`.
    Transpose,
    /// Real part.
    Re,
    /// Imaginary part.
    Im,
    /// Argument of a complex number.
    Arg,
    /// Complex conjugate, written `\overline{expression}`.
    Conjugate,
    /// Sign.
    Sign,
    /// Degrees, where they matter: the argument of a trigonometric function, `\sin 30^\circ`.
    /// Elsewhere the degree sign is dropped, as the Python library does.
    Degrees,
}

/// Operators with a bound variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BigOp {
    /// `\sum_{var=lo}^{hi} body`.
    Sum,
    /// `\prod_{var=lo}^{hi} body`.
    Product,
    /// `\int_{lo}^{hi} body d var`; both bounds absent for an indefinite integral.
    Integral,
    /// `\lim_{var \to lo} body`.
    Limit,
    /// `\lim_{var \to lo^-} body`.
    LimitFromBelow,
    /// `\lim_{var \to lo^+} body`.
    LimitFromAbove,
    /// `\frac{d}{d var} body`.
    Derivative,
}

/// Relations, in chains too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelOp {
    /// `=`, `:=`.
    Eq,
    /// `\equiv` (with `\pmod` the whole is [`Expr::Congruence`]).
    Equiv,
    /// `\approx`, `\simeq`, `\sim`.
    Approx,
    /// `\ne`.
    Ne,
    /// `<`.
    Lt,
    /// `\le`.
    Le,
    /// `>`.
    Gt,
    /// `\ge`.
    Ge,
    /// `\in`.
    In,
    /// `\notin`.
    NotIn,
    /// `\subset`, `\subseteq`.
    Subset,
    /// `\supset`, `\supseteq`.
    Superset,
    /// `\to`, `\mapsto`, `\implies` and other arrows between expressions.
    Arrow,
    /// `\mid` between numbers: divides.
    Divides,
    /// `\parallel`.
    Parallel,
    /// `\perp`.
    Perpendicular,
}

/// Number sets with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NumberSet {
    /// `\mathbb{N}`.
    Naturals,
    /// `\mathbb{Z}`.
    Integers,
    /// `\mathbb{Q}`.
    Rationals,
    /// `\mathbb{R}`.
    Reals,
    /// `\mathbb{C}`.
    Complexes,
    /// `\mathbb{P}`.
    Primes,
}

/// Two values between brackets. An `(a, b)` is an open interval and a point at once, an `[a, b]` a
/// closed interval and a list: the decision chooses by what stands on the other side.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// Lower end, or first coordinate.
    pub lo: Expr,
    /// Upper end, or second coordinate.
    pub hi: Expr,
    /// Whether the left bracket is square: the end belongs to the interval.
    pub lo_closed: bool,
    /// Whether the right bracket is square.
    pub hi_closed: bool,
    /// Whether it can only be an interval: French `]a, b[`.
    pub french: bool,
}

/// `\sum`, `\int`, `\lim` and their kin.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// Which operator.
    pub op: BigOp,
    /// The bound variable.
    pub var: Symbol,
    /// Lower bound, or the point a limit goes to.
    pub lo: Option<Expr>,
    /// Upper bound; of a derivative, its order if it is not 1.
    pub hi: Option<Expr>,
    /// What is summed, integrated, taken to the limit or differentiated.
    pub body: Expr,
}

/// A parsed answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A number literal.
    Number(Number),
    /// A number with a base subscript: digits as written, and the base. `1201_{3}`.
    InBase {
        /// Digits as written, lower case.
        digits: Box<str>,
        /// The base written.
        base: u32,
    },
    /// A named constant.
    Constant(Constant),
    /// A variable.
    Symbol(Symbol),
    /// Words: `\text{even}`. Spaces are single and letter case is kept.
    Text(Box<str>),
    /// A value followed by a percent sign.
    Percent(Box<Expr>),
    /// Sum of at least two terms. A mixed number `2\frac12` is a sum too.
    Add(Vec<Expr>),
    /// Product of at least two factors.
    Mul(Vec<Expr>),
    /// Numerator and denominator.
    Div(Box<Expr>, Box<Expr>),
    /// Negation.
    Neg(Box<Expr>),
    /// Base and exponent.
    Pow(Box<Expr>, Box<Expr>),
    /// Radicand and index: `\sqrt[3]{x}`; a plain root has index 2.
    Root(Box<Expr>, Box<Expr>),
    /// `\pm x`: all of an answer take the upper sign together, or all the lower.
    PlusMinus(Box<Expr>),
    /// `\mp x`: the opposite sign of the answer's `\pm`.
    MinusPlus(Box<Expr>),
    /// A function with a fixed meaning.
    Call(Function, Vec<Expr>),
    /// An unknown function applied: `f(x)`, `f^{-1}(x)` (then the name is `f^{-1}`), `P(X=9)`.
    Apply(Symbol, Vec<Expr>),
    /// An operator with a bound variable.
    Bound(Box<Bound>),
    /// Elements between braces, in written order.
    Set(Vec<Expr>),
    /// Elements without brackets, separated by commas, semicolons, "and" or "or", in written order.
    List(Vec<Expr>),
    /// Elements between parentheses or square brackets; one, or three and more. Two are an
    /// [`Expr::Interval`].
    Tuple(Vec<Expr>),
    /// Two elements between parentheses or square brackets.
    Interval(Box<Interval>),
    /// Ratio of three or more: `8:3:21`. A ratio of two is a [`Expr::Div`].
    Ratio(Vec<Expr>),
    /// Union of sets.
    Union(Vec<Expr>),
    /// Intersection of sets.
    Intersection(Vec<Expr>),
    /// Set difference.
    Difference(Box<Expr>, Box<Expr>),
    /// Cartesian product of sets, where both sides are plainly sets: `(0,4)\times(0,7)`.
    Cartesian(Vec<Expr>),
    /// The empty set.
    EmptySet,
    /// A set of numbers with a name.
    NumberSet(NumberSet),
    /// `\{element \mid condition, …\}`.
    SetBuilder(Box<Expr>, Vec<Expr>),
    /// Rows of a matrix or column vector, all of the same length.
    Matrix(Vec<Vec<Expr>>),
    /// `first op next op next …`: one operator is an equation or inequality, more are a chain.
    Relation(Box<Expr>, Vec<(RelOp, Expr)>),
    /// `lhs \equiv rhs \pmod{modulus}`.
    Congruence(Box<[Expr; 3]>),
    /// Values with their conditions: `\begin{cases} x & x>0 \\ … \end{cases}`; no condition means
    /// otherwise. Systems of equations are a [`Expr::List`] of relations.
    Piecewise(Vec<(Expr, Option<Expr>)>),
    /// A value with a side condition that binds its parameters: `k\pi, k \in \mathbb{Z}`.
    Where(Box<Expr>, Vec<Expr>),
    /// `A \text{ or } B` of relations: logical alternatives (`\lor`).
    Or(Vec<Expr>),
    /// Logical conjunction of relations (`\land`).
    And(Vec<Expr>),
    /// Logical negation.
    Not(Box<Expr>),
}

impl Expr {
    /// An integer.
    pub fn int(value: i64) -> Self {
        Self::Number(Number::integer(value))
    }

    /// A symbol of the given canonical name.
    pub fn symbol(name: &str) -> Self {
        Self::Symbol(Symbol(name.into()))
    }

    /// Negation, boxed.
    pub fn negated(self) -> Self {
        Self::Neg(Box::new(self))
    }
}
