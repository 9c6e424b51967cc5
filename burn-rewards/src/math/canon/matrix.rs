//! Matrices of canonical entries, and the small linear algebra answers use.

use super::arena::{Arena, Id};
use super::lower::Lowering;
use crate::math::number::{Eval, Fail};
use crate::math::tree::{Expr, Function};

/// Largest side of a determinant or rank.
const MAX_SIDE: usize = 8;

/// Largest number of entries.
const MAX_ENTRIES: usize = 400;

/// A matrix; all rows have the same, positive length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix {
    /// Rows of entries.
    pub rows: Vec<Vec<Id>>,
}

impl Lowering {
    /// Lowers an expression whose value is a matrix.
    ///
    /// # Errors
    /// [`Fail::Unsupported`] if it is no matrix or the shapes do not fit.
    pub fn matrix(&mut self, arena: &mut Arena, expr: &Expr) -> Eval<Matrix> {
        arena.fuel.spend(4)?;
        match expr {
            Expr::Matrix(rows) => {
                let entries: usize = rows.iter().map(Vec::len).sum();
                if entries > MAX_ENTRIES {
                    return Err(Fail::Fuel);
                }
                let rows = rows
                    .iter()
                    .map(|r| self.scalars(arena, r))
                    .collect::<Eval<Vec<_>>>()?;
                match rows.first() {
                    Some(first)
                        if !first.is_empty() && rows.iter().all(|r| r.len() == first.len()) =>
                    {
                        Ok(Matrix { rows })
                    }
                    _ => Err(Fail::Unsupported),
                }
            }
            Expr::Tuple(parts) if parts.len() == 1 => self.matrix(arena, &parts[0]),
            Expr::Neg(m) => {
                let m = self.matrix(arena, m)?;
                let minus = arena.int(-1)?;
                m.scaled(arena, minus)
            }
            Expr::Add(parts) => {
                let mut sum: Option<Matrix> = None;
                for p in parts {
                    let m = self.matrix(arena, p)?;
                    sum = Some(match sum {
                        None => m,
                        Some(s) => s.plus(arena, &m)?,
                    });
                }
                sum.ok_or(Fail::Unsupported)
            }
            Expr::Mul(parts) => {
                let mut product: Option<Matrix> = None;
                let mut scale = Vec::new();
                for p in parts {
                    match self.matrix(arena, p) {
                        Ok(m) => {
                            product = Some(match product {
                                None => m,
                                Some(l) => l.times(arena, &m)?,
                            });
                        }
                        Err(Fail::Fuel) => return Err(Fail::Fuel),
                        Err(_) => scale.push(self.scalar(arena, p)?),
                    }
                }
                let product = product.ok_or(Fail::Unsupported)?;
                if scale.is_empty() {
                    return Ok(product);
                }
                let scale = arena.mul(&scale)?;
                product.scaled(arena, scale)
            }
            Expr::Div(m, by) => {
                let m = self.matrix(arena, m)?;
                let by = self.scalar(arena, by)?;
                let minus = arena.int(-1)?;
                let factor = arena.pow(by, minus)?;
                m.scaled(arena, factor)
            }
            Expr::Pow(m, n) => {
                let m = self.matrix(arena, m)?;
                let n = self.scalar(arena, n)?;
                match arena.as_int(n) {
                    Some(n @ 1..=16) => {
                        let mut out = m.clone();
                        for _ in 1..n {
                            out = out.times(arena, &m)?;
                        }
                        Ok(out)
                    }
                    Some(-1) => m.inverse(arena),
                    _ => Err(Fail::Unsupported),
                }
            }
            Expr::Call(Function::Transpose, args) => match &args[..] {
                [m] => Ok(self.matrix(arena, m)?.transposed()),
                _ => Err(Fail::Unsupported),
            },
            _ => Err(Fail::Unsupported),
        }
    }
}

impl Matrix {
    /// Number of rows and of columns.
    pub fn shape(&self) -> (usize, usize) {
        (self.rows.len(), self.rows[0].len())
    }

    fn scaled(&self, arena: &mut Arena, by: Id) -> Eval<Self> {
        self.map(|x| arena.mul(&[by, x]))
    }

    fn map(&self, mut f: impl FnMut(Id) -> Eval<Id>) -> Eval<Self> {
        let rows = self.rows.iter().map(|r| r.iter().map(|x| f(*x)).collect());
        Ok(Self {
            rows: rows.collect::<Eval<_>>()?,
        })
    }

    fn plus(&self, arena: &mut Arena, other: &Self) -> Eval<Self> {
        if self.shape() != other.shape() {
            return Err(Fail::Unsupported);
        }
        let rows = self
            .rows
            .iter()
            .zip(&other.rows)
            .map(|(a, b)| a.iter().zip(b).map(|(x, y)| arena.add(&[*x, *y])).collect());
        Ok(Self {
            rows: rows.collect::<Eval<_>>()?,
        })
    }

    fn times(&self, arena: &mut Arena, other: &Self) -> Eval<Self> {
        let ((n, inner), (other_rows, m)) = (self.shape(), other.shape());
        if inner != other_rows || n * m > MAX_ENTRIES {
            return Err(Fail::Unsupported);
        }
        let mut rows = Vec::with_capacity(n);
        for i in 0..n {
            let mut row = Vec::with_capacity(m);
            for j in 0..m {
                let terms = (0..inner)
                    .map(|k| arena.mul(&[self.rows[i][k], other.rows[k][j]]))
                    .collect::<Eval<Vec<_>>>()?;
                row.push(arena.add(&terms)?);
            }
            rows.push(row);
        }
        Ok(Self { rows })
    }

    fn transposed(&self) -> Self {
        let (n, m) = self.shape();
        Self {
            rows: (0..m)
                .map(|j| (0..n).map(|i| self.rows[i][j]).collect())
                .collect(),
        }
    }

    /// Determinant, trace or rank.
    pub fn measure(&self, arena: &mut Arena, which: Function) -> Eval<Id> {
        let (n, m) = self.shape();
        if n > MAX_SIDE || m > MAX_SIDE || (n != m && which != Function::Rank) {
            return Err(Fail::Unsupported);
        }
        match which {
            Function::Trace => {
                let diagonal: Vec<Id> = (0..n).map(|i| self.rows[i][i]).collect();
                arena.add(&diagonal)
            }
            Function::Det if n <= 3 => self.det_by_minors(arena),
            Function::Det => Ok(self.eliminated(arena)?.0),
            _ => {
                let rank = self.eliminated(arena)?.1;
                arena.int(rank as i64)
            }
        }
    }

    fn det_by_minors(&self, arena: &mut Arena) -> Eval<Id> {
        let n = self.rows.len();
        if n == 1 {
            return Ok(self.rows[0][0]);
        }
        let mut terms = Vec::with_capacity(n);
        for j in 0..n {
            let minor = self.without(0, j).det_by_minors(arena)?;
            let sign = arena.int(if j % 2 == 0 { 1 } else { -1 })?;
            terms.push(arena.mul(&[sign, self.rows[0][j], minor])?);
        }
        arena.add(&terms)
    }

    fn without(&self, row: usize, column: usize) -> Self {
        let keep = |(i, r): (usize, &Vec<Id>)| {
            (i != row).then(|| {
                r.iter()
                    .enumerate()
                    .filter(|(j, _)| *j != column)
                    .map(|(_, x)| *x)
                    .collect()
            })
        };
        Self {
            rows: self.rows.iter().enumerate().filter_map(keep).collect(),
        }
    }

    fn inverse(&self, arena: &mut Arena) -> Eval<Self> {
        let (n, m) = self.shape();
        if n != m || n > 3 {
            return Err(Fail::Unsupported);
        }
        let det = self.det_by_minors(arena)?;
        if arena.as_int(det) == Some(0) {
            return Err(Fail::Undefined);
        }
        let mut rows = Vec::with_capacity(n);
        for i in 0..n {
            let mut row = Vec::with_capacity(n);
            for j in 0..n {
                let minor = if n == 1 {
                    arena.int(1)?
                } else {
                    self.without(j, i).det_by_minors(arena)?
                };
                let sign = arena.int(if (i + j) % 2 == 0 { 1 } else { -1 })?;
                let cofactor = arena.mul(&[sign, minor])?;
                row.push(arena.div(cofactor, det)?);
            }
            rows.push(row);
        }
        Ok(Self { rows })
    }

    /// Determinant and rank by elimination; entries must be rational, so that a zero is seen.
    fn eliminated(&self, arena: &mut Arena) -> Eval<(Id, usize)> {
        let mut a = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            let values: Option<Vec<_>> = row.iter().map(|x| arena.as_rat(*x).cloned()).collect();
            a.push(values.ok_or(Fail::Unsupported)?);
        }
        let (n, m) = self.shape();
        let mut det = crate::math::number::rat::Rat::ONE;
        let mut rank = 0;
        for column in 0..m {
            let Some(pivot) = (rank..n).find(|i| !a[*i][column].is_zero()) else {
                continue;
            };
            if pivot != rank {
                a.swap(pivot, rank);
                det = det.neg();
            }
            det = arena.rat_product(&det, &a[rank][column])?;
            let (above, below) = a.split_at_mut(rank + 1);
            let pivot_row = &above[rank];
            for row in below {
                let Some(factor) = arena.rat_quotient(&row[column], &pivot_row[column])? else {
                    continue;
                };
                for (x, p) in row.iter_mut().zip(pivot_row).skip(column) {
                    let step = arena.rat_product(&factor, p)?;
                    arena.fuel.spend(16 + x.work(&step))?;
                    *x = x.sub(&step);
                }
            }
            rank += 1;
        }
        let det = if rank == n {
            det
        } else {
            crate::math::number::rat::Rat::ZERO
        };
        Ok((arena.rat(det)?, rank))
    }
}
