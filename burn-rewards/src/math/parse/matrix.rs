//! Environments with rows: matrices, determinants, cases and aligned equations.

use super::{Parse, Parser};
use crate::math::lex::Token;
use crate::math::parsed::Unparsed;
use crate::math::tree::{Expr, Function};

impl Parser<'_, '_> {
    /// The environment `name`, after its `\begin`.
    pub(super) fn environment(&mut self, name: &str) -> Parse<Expr> {
        match name.trim_end_matches('*') {
            "matrix" | "pmatrix" | "bmatrix" | "Bmatrix" | "smallmatrix" | "array" => {
                self.matrix().map(Expr::Matrix)
            }
            "vmatrix" | "Vmatrix" => {
                let rows = self.matrix()?;
                Ok(Expr::Call(Function::Det, vec![Expr::Matrix(rows)]))
            }
            "cases" | "dcases" | "rcases" => self.cases(),
            "aligned" | "align" | "gathered" | "gather" | "split" | "equation" | "alignedat"
            | "eqnarray" => self.lines(),
            _ => Err(Unparsed::Syntax),
        }
    }

    fn matrix(&mut self) -> Parse<Vec<Vec<Expr>>> {
        let mut rows = Vec::new();
        loop {
            while self.eat(&Token::RowEnd) {}
            if matches!(self.peek(), Some(Token::End(_))) {
                break;
            }
            let mut row = vec![self.cell()?];
            while self.eat(&Token::Ampersand) {
                row.push(self.cell()?);
            }
            rows.push(row);
            match self.peek() {
                Some(Token::RowEnd | Token::End(_)) => {}
                _ => return Err(Unparsed::Syntax),
            }
        }
        self.at += 1;
        let width = rows.first().map_or(0, Vec::len);
        if width == 0 || rows.iter().any(|row| row.len() != width) {
            return Err(Unparsed::Syntax);
        }
        Ok(rows)
    }

    /// One entry, with the comma or full stop that may end it.
    fn cell(&mut self) -> Parse<Expr> {
        let value = self.inside(|_| {}, Self::set_expression)?;
        while matches!(
            self.peek(),
            Some(Token::Comma | Token::Period | Token::Semicolon)
        ) {
            self.at += 1;
        }
        Ok(value)
    }

    /// Values with conditions, or a system of equations.
    pub(super) fn cases(&mut self) -> Parse<Expr> {
        let mut rows = Vec::new();
        loop {
            while matches!(self.peek(), Some(Token::RowEnd)) {
                self.at += 1;
            }
            match self.peek() {
                Some(Token::End(_)) => break,
                None => return Err(Unparsed::Syntax),
                Some(_) => {}
            }
            let value = self.row_element()?;
            let condition = if self.eat(&Token::Ampersand) || self.at_condition() {
                self.condition()?
            } else {
                Condition::None
            };
            rows.push((value, condition));
        }
        self.at += 1;
        let system = rows.iter().all(|(_, c)| matches!(c, Condition::None));
        if system {
            return Ok(system_of(
                rows.into_iter().map(|(value, _)| value).collect(),
            ));
        }
        Ok(Expr::Piecewise(
            rows.into_iter()
                .map(|(value, condition)| match condition {
                    Condition::Holds(condition) => (value, Some(condition)),
                    Condition::None | Condition::Otherwise => (value, None),
                })
                .collect(),
        ))
    }

    fn at_condition(&self) -> bool {
        matches!(self.peek(), Some(Token::Text(_)))
    }

    fn condition(&mut self) -> Parse<Condition> {
        if let Some(Token::Text(words)) = self.peek() {
            let otherwise = ["otherwise", "else"].iter().any(|w| words.contains(w));
            self.at += 1;
            if otherwise {
                self.skip_punctuation();
                return Ok(Condition::Otherwise);
            }
        }
        self.row_element().map(Condition::Holds)
    }

    fn row_element(&mut self) -> Parse<Expr> {
        let value = self.inside(|_| {}, Self::element)?;
        self.skip_punctuation();
        Ok(value)
    }

    fn skip_punctuation(&mut self) {
        while matches!(
            self.peek(),
            Some(Token::Comma | Token::Period | Token::Semicolon)
        ) {
            self.at += 1;
        }
    }

    /// Lines of equations; a line that begins with a relation continues the one before.
    fn lines(&mut self) -> Parse<Expr> {
        let mut lines: Vec<Expr> = Vec::new();
        loop {
            while matches!(self.peek(), Some(Token::RowEnd | Token::Ampersand)) {
                self.at += 1;
            }
            match self.peek() {
                Some(Token::End(_)) => break,
                Some(Token::Rel(_)) if !lines.is_empty() => {
                    self.continue_line(&mut lines)?;
                }
                Some(_) => lines.push(self.row_element()?),
                None => return Err(Unparsed::Syntax),
            }
        }
        self.at += 1;
        if lines.is_empty() {
            return Err(Unparsed::Syntax);
        }
        Ok(system_of(lines))
    }

    fn continue_line(&mut self, lines: &mut [Expr]) -> Parse<()> {
        let Some(Token::Rel(op)) = self.next() else {
            return Err(Unparsed::Syntax);
        };
        let op = *op;
        self.eat(&Token::Ampersand);
        let rhs = self.inside(|_| {}, Self::set_expression)?;
        self.skip_punctuation();
        let Some(last) = lines.last_mut() else {
            return Err(Unparsed::Syntax);
        };
        match last {
            Expr::Relation(_, rest) => rest.push((op, rhs)),
            lhs => {
                let lhs_value = std::mem::replace(lhs, Expr::EmptySet);
                *lhs = Expr::Relation(Box::new(lhs_value), vec![(op, rhs)]);
            }
        }
        Ok(())
    }
}

enum Condition {
    Holds(Expr),
    Otherwise,
    None,
}

fn system_of(mut lines: Vec<Expr>) -> Expr {
    if lines.len() == 1 {
        lines.swap_remove(0)
    } else {
        Expr::List(lines)
    }
}
