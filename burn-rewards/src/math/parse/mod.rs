//! Tokens to a tree: recursive descent with a limit on depth.
//!
//! Binding, loosest first: elements of a list, relations, set operations, sums, products (`\cdot`,
//! `/`, `:` and `\bmod`), signs, products by juxtaposition, postfix operators, powers. So `1/2x` is
//! `1/(2x)` and `-2^2` is `-4`.

mod atom;
mod bound;
mod call;
mod group;
mod list;
mod matrix;
mod power;
mod product;
mod relation;
mod symbol;
#[cfg(test)]
mod tests;

use super::lex::{Delim, Spanned, Token};
use super::parsed::Unparsed;
use super::tree::{BigOp, Expr, Symbol};

/// Deepest recursion; a pair of brackets takes five levels.
pub(crate) const MAX_DEPTH: u32 = 400;

/// Most left-nested operators of an answer.
pub(crate) const MAX_NESTED: u32 = 64;

/// The value of a parse step.
pub(crate) type Parse<T> = Result<T, Unparsed>;

/// What the grammar forgives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grammar {
    /// `\frac12`, `\sqrt2`, `x^(2)` are read.
    pub(crate) malformed_operators: bool,
}

/// Parses all of `tokens`, which were lexed from `text`.
///
/// # Errors
/// [`Unparsed::Syntax`] or [`Unparsed::Limit`].
pub(crate) fn parse_tokens(text: &str, tokens: &[Spanned<'_>], grammar: Grammar) -> Parse<Expr> {
    let mut parser = Parser {
        text,
        tokens,
        at: 0,
        depth: 0,
        nested: 0,
        grammar,
        context: Context::default(),
        bound: Vec::new(),
        differential: None,
        limit_side: None,
    };
    parser.answer()
}

/// What surrounds the position.
#[derive(Debug, Clone, Copy, Default)]
struct Context {
    /// Open absolute values: a bar closes the innermost.
    bars: u32,
    /// A bar or colon ends the expression: inside a set builder.
    builder: bool,
    /// Inside the argument of a trigonometric function: a degree sign counts.
    degrees: bool,
    /// The innermost bracket is square, so that `[` may close it: `[a, b[`.
    square: bool,
    /// Inside an integral: `d` and a letter are its differential.
    integral: bool,
    /// At the integral's own level, not inside brackets: the differential ends it.
    ends_at_differential: bool,
    /// Inside the argument of a function without parentheses.
    argument: bool,
}

struct Parser<'t, 'a> {
    text: &'a str,
    tokens: &'t [Spanned<'a>],
    at: usize,
    depth: u32,
    /// Left-nested operators so far, which deepen the tree without deepening the calls.
    nested: u32,
    grammar: Grammar,
    context: Context,
    /// Variables bound by sums and products around the position.
    bound: Vec<Symbol>,
    /// The variable of the innermost integral, once its differential has been read.
    differential: Option<Symbol>,
    /// While the point of a limit is read: from which side.
    limit_side: Option<BigOp>,
}

impl<'t, 'a> Parser<'t, 'a> {
    fn peek(&self) -> Option<&'t Token<'a>> {
        self.peek_at(0)
    }

    fn peek_at(&self, offset: usize) -> Option<&'t Token<'a>> {
        self.tokens.get(self.at + offset).map(|t| &t.token)
    }

    fn next(&mut self) -> Option<&'t Token<'a>> {
        let token = self.peek();
        self.at += 1;
        token
    }

    /// Moves past `token` if it is next.
    fn eat(&mut self, token: &Token<'_>) -> bool {
        let found = self.peek() == Some(token);
        if found {
            self.at += 1;
        }
        found
    }

    fn expect(&mut self, token: &Token<'_>) -> Parse<()> {
        if self.eat(token) {
            Ok(())
        } else {
            Err(Unparsed::Syntax)
        }
    }

    fn open(&mut self, delim: Delim) -> bool {
        self.eat(&Token::Open(delim))
    }

    fn close(&mut self, delim: Delim) -> Parse<()> {
        self.expect(&Token::Close(delim))
    }

    /// Counts an operator that nests to the left.
    fn nest(&mut self) -> Parse<()> {
        self.nested += 1;
        if self.nested > MAX_NESTED {
            return Err(Unparsed::Limit);
        }
        Ok(())
    }

    /// Runs `step` one level deeper.
    fn deeper<T>(&mut self, step: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        if self.depth >= MAX_DEPTH {
            return Err(Unparsed::Limit);
        }
        self.depth += 1;
        let result = step(self);
        self.depth -= 1;
        result
    }

    /// Runs `step` in a fresh context that keeps what holds inside brackets too.
    fn inside<T>(
        &mut self,
        change: impl FnOnce(&mut Context),
        step: impl FnOnce(&mut Self) -> Parse<T>,
    ) -> Parse<T> {
        let outer = self.context;
        self.context = Context {
            degrees: outer.degrees,
            integral: outer.integral,
            ..Context::default()
        };
        change(&mut self.context);
        let result = self.deeper(step);
        self.context = outer;
        result
    }

    /// The source of the tokens from `from` to the position, without spaces and braces.
    fn source(&self, from: usize) -> String {
        let (Some(first), Some(last)) = (self.tokens.get(from), self.tokens.get(self.at - 1))
        else {
            return String::new();
        };
        self.text[first.start as usize..(last.end as usize).max(first.start as usize)]
            .chars()
            .filter(|c| !c.is_whitespace() && !matches!(c, '{' | '}' | '\\'))
            .map(|c| match c {
                '₀'..='₉' => char::from(b'0' + (c as u32 - '₀' as u32) as u8),
                c => c,
            })
            .take(64)
            .collect()
    }
}
