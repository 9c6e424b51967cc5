//! Names of variables and words.

use crate::math::tree::{Bound, Constant, Expr, Function, Symbol};

/// Calls `visit` on every direct part of `expr`.
pub(super) fn parts<'e>(expr: &'e Expr, visit: &mut dyn FnMut(&'e Expr)) {
    match expr {
        Expr::Number(_)
        | Expr::InBase { .. }
        | Expr::Constant(_)
        | Expr::Symbol(_)
        | Expr::Text(_)
        | Expr::EmptySet
        | Expr::NumberSet(_) => {}
        Expr::Percent(x)
        | Expr::Neg(x)
        | Expr::PlusMinus(x)
        | Expr::MinusPlus(x)
        | Expr::Not(x) => visit(x),
        Expr::Add(p)
        | Expr::Mul(p)
        | Expr::Call(_, p)
        | Expr::Apply(_, p)
        | Expr::Set(p)
        | Expr::List(p)
        | Expr::Tuple(p)
        | Expr::Ratio(p)
        | Expr::Union(p)
        | Expr::Intersection(p)
        | Expr::Cartesian(p)
        | Expr::Or(p)
        | Expr::And(p) => p.iter().for_each(visit),
        Expr::Div(a, b) | Expr::Pow(a, b) | Expr::Root(a, b) | Expr::Difference(a, b) => {
            visit(a);
            visit(b);
        }
        Expr::Bound(b) => {
            b.lo.iter().chain(&b.hi).for_each(&mut *visit);
            visit(&b.body);
        }
        Expr::Interval(i) => {
            visit(&i.lo);
            visit(&i.hi);
        }
        Expr::SetBuilder(e, c) | Expr::Where(e, c) => {
            visit(e);
            c.iter().for_each(visit);
        }
        Expr::Matrix(rows) => rows.iter().flatten().for_each(visit),
        Expr::Relation(first, rest) => {
            visit(first);
            rest.iter().for_each(|(_, e)| visit(e));
        }
        Expr::Congruence(p) => p.iter().for_each(visit),
        Expr::Piecewise(cases) => {
            for (v, c) in cases {
                visit(v);
                c.iter().for_each(&mut *visit);
            }
        }
    }
}

/// `expr` with every part for which `by` has a replacement replaced.
pub(super) fn replaced(expr: &Expr, by: &dyn Fn(&Expr) -> Option<Expr>) -> Expr {
    if let Some(other) = by(expr) {
        return other;
    }
    let one = |e: &Expr| replaced(e, by);
    let boxed = |e: &Expr| Box::new(replaced(e, by));
    let many = |p: &[Expr]| p.iter().map(one).collect::<Vec<_>>();
    match expr {
        Expr::Percent(x) => Expr::Percent(boxed(x)),
        Expr::Neg(x) => Expr::Neg(boxed(x)),
        Expr::Add(p) => Expr::Add(many(p)),
        Expr::Mul(p) => Expr::Mul(many(p)),
        Expr::Div(a, b) => Expr::Div(boxed(a), boxed(b)),
        Expr::Pow(a, b) => Expr::Pow(boxed(a), boxed(b)),
        Expr::Root(a, b) => Expr::Root(boxed(a), boxed(b)),
        Expr::Call(f, p) => Expr::Call(*f, many(p)),
        Expr::Apply(f, p) => Expr::Apply(f.clone(), many(p)),
        Expr::Set(p) => Expr::Set(many(p)),
        Expr::List(p) => Expr::List(many(p)),
        Expr::Tuple(p) => Expr::Tuple(many(p)),
        Expr::Interval(i) => {
            let mut i = i.clone();
            (i.lo, i.hi) = (one(&i.lo), one(&i.hi));
            Expr::Interval(i)
        }
        Expr::Relation(lhs, rest) => {
            let rest = rest.iter().map(|(op, e)| (*op, one(e))).collect();
            Expr::Relation(boxed(lhs), rest)
        }
        Expr::Where(e, c) => Expr::Where(boxed(e), many(c)),
        Expr::Matrix(rows) => Expr::Matrix(rows.iter().map(|r| many(r)).collect()),
        Expr::Bound(b) => {
            let mut b = b.clone();
            b.lo = b.lo.as_ref().map(one);
            b.hi = b.hi.as_ref().map(one);
            b.body = one(&b.body);
            Expr::Bound(b)
        }
        Expr::Ratio(p) => Expr::Ratio(many(p)),
        Expr::Union(p) => Expr::Union(many(p)),
        Expr::Intersection(p) => Expr::Intersection(many(p)),
        Expr::Cartesian(p) => Expr::Cartesian(many(p)),
        Expr::Or(p) => Expr::Or(many(p)),
        Expr::And(p) => Expr::And(many(p)),
        Expr::Not(x) => Expr::Not(boxed(x)),
        Expr::Difference(a, b) => Expr::Difference(boxed(a), boxed(b)),
        Expr::SetBuilder(e, c) => Expr::SetBuilder(boxed(e), many(c)),
        Expr::PlusMinus(x) => Expr::PlusMinus(boxed(x)),
        Expr::MinusPlus(x) => Expr::MinusPlus(boxed(x)),
        Expr::Congruence(p) => Expr::Congruence(Box::new([one(&p[0]), one(&p[1]), one(&p[2])])),
        Expr::Piecewise(cases) => {
            let case = |(v, c): &(Expr, Option<Expr>)| (one(v), c.as_ref().map(one));
            Expr::Piecewise(cases.iter().map(case).collect())
        }
        Expr::Number(_)
        | Expr::InBase { .. }
        | Expr::Constant(_)
        | Expr::Symbol(_)
        | Expr::Text(_)
        | Expr::EmptySet
        | Expr::NumberSet(_) => expr.clone(),
    }
}

/// `expr` without percent signs.
pub(super) fn without_percents(expr: &Expr) -> Expr {
    replaced(expr, &|e| match e {
        Expr::Percent(x) => Some(without_percents(x)),
        _ => None,
    })
}

/// The variables that sums and their kin bind, and the arguments of functions that are defined:
/// `f(x) = …`; in order of appearance.
fn bound_variables(expr: &Expr) -> Vec<&Symbol> {
    fn visit<'e>(expr: &'e Expr, out: &mut Vec<&'e Symbol>) {
        match expr {
            Expr::Bound(b) => out.push(&b.var),
            Expr::Relation(lhs, _) => {
                if let Expr::Apply(_, args) = &**lhs
                    && let [Expr::Symbol(argument)] = &args[..]
                    && !out.contains(&argument)
                {
                    out.push(argument);
                }
            }
            _ => {}
        }
        parts(expr, &mut |p| visit(p, out));
    }
    let mut out = Vec::new();
    visit(expr, &mut out);
    out
}

/// `pred` with its bound variables named as in `gold`, also where they stand in subscripts:
/// `\sum_j F_j` as `\sum_k F_k`. `None` where that changes nothing, or would bind a free variable.
pub(super) fn with_bound_names_of(gold: &Expr, pred: &Expr) -> Option<Expr> {
    if !any(pred, &|e| matches!(e, Expr::Bound(_) | Expr::Apply(..))) {
        return None;
    }
    let (to, from) = (bound_variables(gold), bound_variables(pred));
    let same = to.iter().zip(&from).all(|(a, b)| a == b);
    let free = |name: &Symbol| variables(pred).contains(&&*name.0);
    let collides = to.iter().any(|name| !from.contains(name) && free(name));
    if same || to.len() != from.len() || collides {
        return None;
    }
    let pairs: Vec<(&str, &str)> = from.iter().zip(&to).map(|(a, b)| (&*a.0, &*b.0)).collect();
    Some(renamed(pred, &pairs))
}

fn renamed(expr: &Expr, pairs: &[(&str, &str)]) -> Expr {
    replaced(expr, &|e| match e {
        Expr::Symbol(s) => Some(Expr::Symbol(Symbol(in_name(&s.0, pairs).into()))),
        Expr::Bound(b) => {
            let again = |e: &Expr| renamed(e, pairs);
            Some(Expr::Bound(Box::new(Bound {
                op: b.op,
                var: Symbol(in_name(&b.var.0, pairs).into()),
                lo: b.lo.as_ref().map(again),
                hi: b.hi.as_ref().map(again),
                body: again(&b.body),
            })))
        }
        _ => None,
    })
}

/// A name with the names in its subscript, or itself, replaced.
fn in_name(name: &str, pairs: &[(&str, &str)]) -> String {
    if let Some((_, to)) = pairs.iter().find(|(from, _)| *from == name) {
        return (*to).to_owned();
    }
    let Some((head, subscript)) = name.split_once("_{") else {
        return name.to_owned();
    };
    let replace = |c: char| {
        let one = c.to_string();
        let found = pairs.iter().find(|(from, _)| *from == one);
        found.map_or(one, |(_, to)| (*to).to_owned())
    };
    let subscript: String = subscript.chars().map(replace).collect();
    format!("{head}_{{{subscript}")
}

/// Whether some part of `expr` satisfies `test`.
pub(super) fn any(expr: &Expr, test: &dyn Fn(&Expr) -> bool) -> bool {
    if test(expr) {
        return true;
    }
    let mut found = false;
    parts(expr, &mut |p| found = found || any(p, test));
    found
}

/// How many parts `expr` has, itself included.
pub(super) fn size(expr: &Expr) -> u64 {
    let mut sum = 1;
    parts(expr, &mut |p| sum += size(p));
    sum
}

/// Names of variables in order of appearance.
pub(super) fn variables(expr: &Expr) -> Vec<&str> {
    fn visit<'e>(expr: &'e Expr, out: &mut Vec<&'e str>) {
        if let Expr::Symbol(s) = expr
            && !out.contains(&&*s.0)
        {
            out.push(&s.0);
        }
        parts(expr, &mut |p| visit(p, out));
    }
    let mut out = Vec::new();
    visit(expr, &mut out);
    out
}

/// Whether two names differ in letter case only, as the radii in `\pi R^2 - \pi r^2`.
pub(super) fn mixes_case(expr: &Expr) -> bool {
    let has_upper = |e: &Expr| matches!(e, Expr::Symbol(s) if s.0.chars().any(char::is_uppercase));
    if !any(expr, &has_upper) {
        return false;
    }
    let names = variables(expr);
    names.iter().enumerate().any(|(i, a)| {
        names[..i]
            .iter()
            .any(|b| a.to_lowercase() == b.to_lowercase())
    })
}

/// Ways to name the variables of the prediction after those of the gold answer, where both have
/// the same number of them.
pub(super) fn renamings(gold: &Expr, pred: &Expr) -> Vec<Vec<(String, String)>> {
    let folded = |e| {
        let mut names: Vec<String> = Vec::new();
        for n in variables(e) {
            let n = n.to_lowercase();
            if !names.contains(&n) {
                names.push(n);
            }
        }
        names
    };
    let (mut g, mut p) = (folded(gold), folded(pred));
    if g.len() != p.len() || g.is_empty() {
        return Vec::new();
    }
    let pair = |p: &[String], g: &[String]| p.iter().cloned().zip(g.iter().cloned()).collect();
    let by_appearance = pair(&p, &g);
    g.sort();
    p.sort();
    vec![by_appearance, pair(&p, &g)]
}

/// Whether the answer is "undefined".
pub(super) fn is_undefined(expr: &Expr) -> bool {
    matches!(expr, Expr::Constant(Constant::Undefined))
}

/// The letters of a word, however it was written: `\text{even}`, a symbol, or letters side by side.
pub(super) fn word(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Symbol(s) => Some(s.folded()),
        Expr::Text(t) => Some(plain(t)),
        Expr::Constant(Constant::E) => Some("e".to_owned()),
        Expr::Constant(Constant::I) => Some("i".to_owned()),
        Expr::Mul(parts) => parts.iter().map(word).collect(),
        Expr::Tuple(parts) if parts.len() == 1 => word(&parts[0]),
        _ => None,
    }
}

/// Text as it is compared: lower case, without spaces, parentheses and a full stop at the end.
fn plain(text: &str) -> String {
    let kept = |c: &char| !c.is_whitespace() && !matches!(c, '(' | ')' | '"' | '\'' | '*');
    let out: String = text.to_lowercase().chars().filter(kept).collect();
    out.trim_end_matches(['.', ',', ';', ':']).to_owned()
}

/// Whether an expression is built of names alone, as the left side of an assignment.
pub(super) fn only_symbols(expr: &Expr) -> bool {
    match expr {
        Expr::Symbol(_) | Expr::Text(_) | Expr::Constant(Constant::E | Constant::I) => true,
        // Known functions count where Python reads an undefined one: `E(X)`, `P(X = 9)`.
        Expr::Apply(..) => true,
        Expr::Add(p) | Expr::Mul(p) | Expr::Tuple(p) | Expr::Set(p) | Expr::List(p) => {
            p.iter().all(only_symbols)
        }
        Expr::Interval(i) => only_symbols(&i.lo) && only_symbols(&i.hi),
        Expr::Div(a, b) => only_symbols(a) && only_symbols(b),
        Expr::Pow(b, e) => only_symbols(b) && only_symbols(e),
        Expr::Call(Function::Abs | Function::Max | Function::Min, p) => p.iter().all(only_symbols),
        _ => false,
    }
}
