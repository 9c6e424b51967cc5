//! A tree as text: prefix notation, for messages and tests.

use std::fmt::{Display, Formatter, Result};

use super::tree::{Expr, Number, RelOp};

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}", self.mantissa)?;
        if self.exponent != 0 || self.decimal {
            write!(f, "e{}", self.exponent)?;
        }
        if self.repeating > 0 {
            write!(f, "r{}", self.repeating)?;
        }
        Ok(())
    }
}

impl Display for RelOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Eq => "=",
            Self::Equiv => "equiv",
            Self::Approx => "approx",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::In => "in",
            Self::NotIn => "notin",
            Self::Subset => "subset",
            Self::Superset => "superset",
            Self::Arrow => "->",
            Self::Divides => "|",
            Self::Parallel => "parallel",
            Self::Perpendicular => "perp",
        })
    }
}

/// `(head part part …)`.
fn form(f: &mut Formatter<'_>, head: impl Display, parts: &[Expr]) -> Result {
    write!(f, "({head}")?;
    for part in parts {
        write!(f, " {part}")?;
    }
    f.write_str(")")
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::InBase { digits, base } => write!(f, "(base {base} {digits})"),
            Self::Constant(constant) => write!(f, "{constant:?}"),
            Self::Symbol(symbol) => f.write_str(&symbol.0),
            Self::Text(words) => write!(f, "{words:?}"),
            Self::Percent(value) => write!(f, "(% {value})"),
            Self::Add(terms) => form(f, '+', terms),
            Self::Mul(factors) => form(f, '*', factors),
            Self::Div(over, under) => write!(f, "(/ {over} {under})"),
            Self::Neg(value) => write!(f, "(- {value})"),
            Self::Pow(base, exponent) => write!(f, "(^ {base} {exponent})"),
            Self::Root(radicand, index) => write!(f, "(root {radicand} {index})"),
            Self::PlusMinus(value) => write!(f, "(+- {value})"),
            Self::MinusPlus(value) => write!(f, "(-+ {value})"),
            Self::Call(function, arguments) => form(f, format!("{function:?}"), arguments),
            Self::Apply(name, arguments) => form(f, format!("apply {}", name.0), arguments),
            Self::Bound(bound) => {
                write!(f, "({:?} {}", bound.op, bound.var.0)?;
                for end in [&bound.lo, &bound.hi].into_iter().flatten() {
                    write!(f, " {end}")?;
                }
                write!(f, " : {})", bound.body)
            }
            Self::Set(elements) => form(f, "set", elements),
            Self::List(elements) => form(f, "list", elements),
            Self::Tuple(elements) => form(f, "tuple", elements),
            Self::Interval(interval) => {
                let open = if interval.lo_closed { '[' } else { '(' };
                let close = if interval.hi_closed { ']' } else { ')' };
                let french = if interval.french { "french " } else { "" };
                write!(f, "{french}{open}{}, {}{close}", interval.lo, interval.hi)
            }
            Self::Ratio(parts) => form(f, "ratio", parts),
            Self::Union(sets) => form(f, "union", sets),
            Self::Intersection(sets) => form(f, "intersection", sets),
            Self::Difference(from, without) => write!(f, "(minus {from} {without})"),
            Self::Cartesian(sets) => form(f, "cartesian", sets),
            Self::EmptySet => f.write_str("empty"),
            Self::NumberSet(set) => write!(f, "{set:?}"),
            Self::SetBuilder(element, conditions) => {
                form(f, format!("builder {element} :"), conditions)
            }
            Self::Matrix(rows) => {
                f.write_str("(matrix")?;
                for row in rows {
                    form(f, "", row)?;
                }
                f.write_str(")")
            }
            Self::Relation(first, rest) => {
                write!(f, "(rel {first}")?;
                for (op, next) in rest {
                    write!(f, " {op} {next}")?;
                }
                f.write_str(")")
            }
            Self::Congruence(parts) => form(f, "congruent", parts.as_slice()),
            Self::Piecewise(cases) => {
                f.write_str("(piecewise")?;
                for (value, condition) in cases {
                    match condition {
                        Some(condition) => write!(f, " ({value} if {condition})")?,
                        None => write!(f, " ({value} otherwise)")?,
                    }
                }
                f.write_str(")")
            }
            Self::Where(value, conditions) => form(f, format!("where {value} :"), conditions),
            Self::Or(parts) => form(f, "or", parts),
            Self::And(parts) => form(f, "and", parts),
            Self::Not(value) => write!(f, "(not {value})"),
        }
    }
}
