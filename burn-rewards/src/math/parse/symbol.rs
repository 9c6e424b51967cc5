//! Symbols: subscripts, primes and decorations, and functions without a fixed meaning.

use super::{Parse, Parser};
use crate::math::lex::{Delim, Token};
use crate::math::parsed::Unparsed;
use crate::math::tree::{Constant, Expr, Function, RelOp, Symbol};

/// Letters that are read as a function before parentheses wherever they stand.
const FUNCTION_NAMES: [&str; 14] = [
    "f", "g", "h", "F", "G", "H", "P", "Q", "phi", "varphi", "psi", "Phi", "tau", "sigma",
];

impl Parser<'_, '_> {
    /// A name with its subscript and primes, and the arguments it is applied to.
    pub(super) fn name(&mut self, name: &str) -> Parse<Expr> {
        let start = self.at;
        if name == "C" && self.peek() == Some(&Token::Underscore) {
            if let Some(binomial) = self.combinations() {
                return Ok(binomial);
            }
            self.at = start;
        }
        let plain = self.peek() != Some(&Token::Underscore) && self.peek() != Some(&Token::Prime);
        if plain && name == "i" && !self.bound.iter().any(|s| &*s.0 == "i") {
            return Ok(Expr::Constant(Constant::I));
        }
        let full = self.subscripted(name.to_owned())?;
        let mut full = String::from(full);
        while self.eat(&Token::Prime) {
            full.push('\'');
        }
        if (FUNCTION_NAMES.contains(&name) || self.at_zero_argument())
            && let Some(call) = self.application(&full)
        {
            return call;
        }
        Ok(Expr::Symbol(Symbol(full.into())))
    }

    /// Whether `(0)` follows. Nobody multiplies by it: `V(0)` is a value of `V`.
    pub(super) fn at_zero_argument(&self) -> bool {
        self.peek() == Some(&Token::Open(Delim::Paren))
            && matches!(self.peek_at(1), Some(Token::Number(n)) if n.mantissa.is_zero())
            && self.peek_at(2) == Some(&Token::Close(Delim::Paren))
    }

    /// `name` with the subscript that follows, if one does: `x_{1}`.
    pub(super) fn subscripted(&mut self, mut name: String) -> Parse<Box<str>> {
        while self.eat(&Token::Underscore) {
            let subscript = self.subscript()?;
            name.push_str("_{");
            name.push_str(&subscript);
            name.push('}');
            if name.len() > 256 {
                return Err(Unparsed::Limit);
            }
        }
        Ok(name.into())
    }

    /// The text of a subscript: braces and spaces do not count.
    pub(super) fn subscript(&mut self) -> Parse<String> {
        let from = self.at;
        if self.peek() == Some(&Token::Open(Delim::Brace)) {
            let mut depth = 0_usize;
            while let Some(token) = self.next() {
                match token {
                    Token::Open(Delim::Brace) => depth += 1,
                    Token::Close(Delim::Brace) => {
                        depth -= 1;
                        if depth == 0 {
                            return Ok(self.source(from));
                        }
                    }
                    _ => {}
                }
            }
            return Err(Unparsed::Syntax);
        }
        match self.next() {
            Some(
                Token::Number(_)
                | Token::Digit(_)
                | Token::Name(_)
                | Token::Constant(_)
                | Token::Text(_)
                | Token::Times
                | Token::Plus
                | Token::Minus
                | Token::Bar,
            ) => Ok(self.source(from)),
            _ => Err(Unparsed::Syntax),
        }
    }

    /// `C_{10}^{2}`: ten choose two.
    fn combinations(&mut self) -> Option<Expr> {
        self.at += 1;
        let (n, len) = self.integer_or_symbol(0)?;
        self.at += len;
        if !self.eat(&Token::Caret) {
            return None;
        }
        let (k, len) = self.integer_or_symbol(0)?;
        self.at += len;
        let within = match (&n, &k) {
            (Expr::Number(n), Expr::Number(k)) => n.mantissa >= k.mantissa,
            _ => false,
        };
        within.then(|| Expr::Call(Function::Binomial, vec![n, k]))
    }

    fn integer_or_symbol(&self, offset: usize) -> Option<(Expr, usize)> {
        let braced = usize::from(self.peek_at(offset) == Some(&Token::Open(Delim::Brace)));
        let value = match self.peek_at(offset + braced)? {
            Token::Number(number) if !number.decimal => Expr::Number(number.clone()),
            _ => return None,
        };
        if braced == 1 && self.peek_at(offset + 2) != Some(&Token::Close(Delim::Brace)) {
            return None;
        }
        Some((value, 1 + 2 * braced))
    }

    /// The arguments after a function's name, with `f^{-1}` and `f^{(n)}` part of the name.
    /// `None` if what follows are no arguments.
    pub(super) fn application(&mut self, name: &str) -> Option<Parse<Expr>> {
        let start = self.at;
        let mut name = name.to_owned();
        let mut power = None;
        if self.peek() == Some(&Token::Caret) {
            self.at += 1;
            let from = self.at;
            match self.skip_braced_or_one() {
                Some(()) if self.peek() == Some(&Token::Open(Delim::Paren)) => {
                    let text = self.source(from);
                    if text.starts_with(['-', '−', '(']) || text.contains("prime") {
                        name = format!("{name}^{{{text}}}");
                    } else {
                        self.at = from;
                        power = Some(());
                    }
                }
                _ => {
                    self.at = start;
                    return None;
                }
            }
        }
        let exponent = match power {
            Some(()) => match self.braced_or_atom() {
                Ok(exponent) => Some(exponent),
                Err(error) => return Some(Err(error)),
            },
            None => None,
        };
        if self.peek() != Some(&Token::Open(Delim::Paren)) {
            self.at = start;
            return None;
        }
        Some(self.arguments().map(|args| {
            let call = Expr::Apply(Symbol(name.into()), args);
            match exponent {
                Some(exponent) => Expr::Pow(Box::new(call), Box::new(exponent)),
                None => call,
            }
        }))
    }

    fn skip_braced_or_one(&mut self) -> Option<()> {
        if self.peek() != Some(&Token::Open(Delim::Brace)) {
            self.next()?;
            return Some(());
        }
        let mut depth = 0_usize;
        while let Some(token) = self.next() {
            match token {
                Token::Open(Delim::Brace) => depth += 1,
                Token::Close(Delim::Brace) => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(());
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// `{…}` or one atom.
    pub(super) fn braced_or_atom(&mut self) -> Parse<Expr> {
        if self.open(Delim::Brace) {
            let value = self.inside(|_| {}, Self::element)?;
            self.close(Delim::Brace)?;
            return Ok(value);
        }
        self.deeper(Self::atom)
    }

    /// Arguments in parentheses.
    pub(super) fn arguments(&mut self) -> Parse<Vec<Expr>> {
        self.at += 1;
        let (arguments, _) = self.inside(
            |_| {},
            |p| p.bracketed(|t| matches!(t, Token::Close(Delim::Paren))),
        )?;
        self.close(Delim::Paren)?;
        Ok(arguments)
    }

    /// `p(x) = …` at the start of an equation declares a function, whatever its name; its
    /// arguments are symbols or numbers.
    pub(super) fn declared_function(&mut self) -> Option<Parse<Expr>> {
        let Some(Token::Name(name)) = self.peek() else {
            return None;
        };
        let mut at = 1;
        if self.peek_at(at) == Some(&Token::Underscore) {
            at += if self.peek_at(at + 1) == Some(&Token::Open(Delim::Brace)) {
                4
            } else {
                2
            };
        }
        while self.peek_at(at) == Some(&Token::Prime) {
            at += 1;
        }
        if self.peek_at(at) != Some(&Token::Open(Delim::Paren)) {
            return None;
        }
        let opening = at;
        loop {
            at += 1;
            match self.peek_at(at)? {
                Token::Name(_) | Token::Number(_) | Token::Constant(_) | Token::Comma => {}
                Token::Minus => {}
                Token::Close(Delim::Paren) => break,
                _ => return None,
            }
        }
        // One symbol or number between commas: `p(xy)` and `p()` declare nothing.
        let arguments = at - opening - 1;
        let commas = (opening + 1..at)
            .filter(|i| self.peek_at(*i) == Some(&Token::Comma))
            .count();
        let signs = (opening + 1..at)
            .filter(|i| self.peek_at(*i) == Some(&Token::Minus))
            .count();
        if arguments != 2 * commas + 1 + signs
            || !matches!(self.peek_at(at + 1), Some(Token::Rel(RelOp::Eq)))
        {
            return None;
        }
        self.at += 1;
        let name = name.to_string();
        let declared = self.subscripted(name).and_then(|full| {
            let mut full = String::from(full);
            while self.eat(&Token::Prime) {
                full.push('\'');
            }
            let arguments = self.arguments()?;
            Ok(Expr::Apply(Symbol(full.into()), arguments))
        });
        Some(declared)
    }

    /// `\overline{AB}`, `\vec{v}`, `\hat{i}`; over more than a name `\overline` is conjugation.
    pub(super) fn decorated(&mut self, decoration: &str) -> Parse<Expr> {
        let from = self.at;
        let value = self.braced_or_atom()?;
        let name = match &value {
            Expr::Symbol(symbol) => symbol.0.to_string(),
            Expr::Mul(factors)
                if factors
                    .iter()
                    .all(|f| matches!(f, Expr::Symbol(_) | Expr::Constant(Constant::E))) =>
            {
                self.source(from)
            }
            Expr::Number(_) | Expr::Constant(_) | Expr::Text(_) => self.source(from),
            _ if decoration == "bar" => {
                return Ok(Expr::Call(Function::Conjugate, vec![value]));
            }
            _ => return Err(Unparsed::Syntax),
        };
        let full = self.subscripted(format!("{decoration}{{{name}}}"))?;
        Ok(Expr::Symbol(Symbol(full)))
    }
}
