//! What the lexer makes of LaTeX and plain text.

use std::borrow::Cow;

use crate::math::tree::{BigOp, Constant, Function, Number, NumberSet, RelOp};

/// Kinds of bracket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delim {
    /// `(`.
    Paren,
    /// `[`.
    Bracket,
    /// `{` of LaTeX, which only groups.
    Brace,
    /// `\{`, `\lbrace`: a set.
    Set,
    /// `\lfloor`.
    Floor,
    /// `\lceil`.
    Ceil,
    /// `\langle`.
    Angle,
    /// `\left|`, `\lvert`, `\lVert`: the side is known.
    Bar,
}

/// One token; the text it came from is found by its span.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token<'a> {
    /// A number literal.
    Number(Number),
    /// A digit that `\frac`, `\sqrt` or `\log_` takes as an argument without braces.
    Digit(u8),
    /// A symbol's canonical name.
    Name(Cow<'a, str>),
    /// Words, trimmed.
    Text(&'a str),
    /// A constant with its own command.
    Constant(Constant),
    /// A function with a fixed meaning and one argument.
    Function(Function),
    /// `\log`, `\ln`, `\lg`: the base where none is written is 10, `e` or 10.
    Log(LogKind),
    /// `\sum`, `\prod`, `\int`, `\lim`.
    BigOp(BigOp),
    /// `+`.
    Plus,
    /// `-`.
    Minus,
    /// `\pm`.
    PlusMinus,
    /// `\mp`.
    MinusPlus,
    /// `*`, `\cdot`, `\times`.
    Times,
    /// `/`, `\div`.
    Slash,
    /// `:`.
    Colon,
    /// `^`, `**`.
    Caret,
    /// `_`.
    Underscore,
    /// `!`.
    Bang,
    /// `%`.
    Percent,
    /// `°`, `\degree`.
    Degree,
    /// `\circ`: a degree sign in an exponent, composition elsewhere.
    Circ,
    /// `'`.
    Prime,
    /// `\top`, only meaningful in an exponent.
    Top,
    /// An opening bracket.
    Open(Delim),
    /// A closing bracket.
    Close(Delim),
    /// `|`, of either side.
    Bar,
    /// `\mid`.
    Mid,
    /// `,`, and "and" or "or" as words.
    Comma,
    /// `;`.
    Semicolon,
    /// `.` that belongs to no number.
    Period,
    /// Three dots of any kind.
    Dots,
    /// A relation.
    Rel(RelOp),
    /// `\therefore`, `\Rightarrow` at the start of an answer.
    Therefore,
    /// `\land`.
    Land,
    /// `\lor`.
    Lor,
    /// `\neg`.
    Lnot,
    /// `\cup`.
    Cup,
    /// `\cap`.
    Cap,
    /// `\setminus`.
    SetMinus,
    /// `\emptyset`.
    EmptySet,
    /// `\mathbb{R}` and the like.
    NumberSet(NumberSet),
    /// `\frac`.
    Frac,
    /// `\sqrt`.
    Sqrt,
    /// `\binom`.
    Binom,
    /// `\choose`, between its arguments.
    Choose,
    /// `\over`, between its arguments.
    Over,
    /// `\bmod`, `\mod`.
    Mod,
    /// `\pmod`.
    Pmod,
    /// `\partial`.
    Partial,
    /// `\overline`, `\bar`, `\vec`, `\hat`: the name of the decoration.
    Decoration(&'static str),
    /// `\boxed`, `\fbox` left in place.
    Boxed,
    /// `\begin{name}`.
    Begin(&'a str),
    /// `\end{name}`.
    End(&'a str),
    /// `&`.
    Ampersand,
    /// `\\`.
    RowEnd,
    /// A command or character without a meaning here.
    Unknown,
}

/// Which logarithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogKind {
    /// `\log`: base 10 unless written.
    Log,
    /// `\ln`: base e unless written.
    Ln,
    /// `\lg`: base 10 unless written.
    Lg,
}

/// A token and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spanned<'a> {
    /// The token.
    pub(crate) token: Token<'a>,
    /// First byte of its source.
    pub(crate) start: u32,
    /// One past its last byte.
    pub(crate) end: u32,
}
