//! Matrices of gradients that are added to some rows at a time.

use crate::{
    device::runs_on_host,
    host::{self, HostTensor},
};
use burn::tensor::{DType, Device, IndexingUpdateOp, Int, Tensor};
use std::collections::BTreeMap;

/// A sum of matrices of which each has only some rows: in place on a host.
pub(super) enum RowSum {
    Host(HostTensor<2>),
    Device(Tensor<2>),
}

impl RowSum {
    /// Adds to `start`, `[V, D]` in f32.
    pub fn new(start: Tensor<2>) -> Self {
        match runs_on_host(&start.device()) {
            true => Self::Host(HostTensor::take(start)),
            false => Self::Device(start),
        }
    }

    /// Adds to the rows from `first` on.
    ///
    /// # Shapes
    /// - part: `[n, D]`
    pub fn add(&mut self, first: usize, part: Tensor<2>) {
        let part = part.cast(DType::F32);
        let [n, d] = part.dims();
        match self {
            Self::Host(sum) => {
                let part = HostTensor::take(part);
                let rows = first * d..(first + n) * d;
                host::add(&mut sum.values_mut()[rows], part.values());
            }
            Self::Device(sum) => {
                let place = [first..first + n, 0..d];
                let own = sum.clone().slice(place.clone()) + part;
                sum.inplace(|sum| sum.slice_assign(place, own));
            }
        }
    }

    /// The sum, `[V, D]`.
    pub fn finish(self) -> Tensor<2> {
        match self {
            Self::Host(sum) => sum.give_back(),
            Self::Device(sum) => sum,
        }
    }
}

/// The gradient of an embedding table on a host: of the rows that were read alone.
pub(super) struct TableGrads {
    shape: [usize; 2],
    device: Device,
    rows: BTreeMap<usize, Vec<f32>>,
}

impl TableGrads {
    /// Of a table `[V, D]`; nothing was read yet.
    pub fn new(shape: [usize; 2], device: &Device) -> Self {
        Self {
            shape,
            device: device.clone(),
            rows: BTreeMap::new(),
        }
    }

    /// # Shapes
    /// - ids: `[n]`, rows that were read; part: `[n, D]`, gradients of what was read
    pub fn add(&mut self, ids: Tensor<1, Int>, part: Tensor<2>) {
        let (ids, part) = (ids.into_data(), HostTensor::take(part));
        let parts = part.values().chunks_exact(self.shape[1].max(1));
        for (id, part) in ids.iter::<i64>().zip(parts) {
            self.add_row(id as usize, part);
        }
    }

    fn add_row(&mut self, id: usize, part: &[f32]) {
        match self.rows.get_mut(&id) {
            Some(row) => row.iter_mut().zip(part).for_each(|(a, b)| *a += b),
            None => drop(self.rows.insert(id, part.to_vec())),
        }
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        let rows = other.rows.iter();
        rows.for_each(|(id, part)| self.add_row(*id, part));
    }

    /// `dense + self`, `[V, D]`; none stands for zeros.
    pub fn onto(&self, dense: Option<Tensor<2>>) -> Tensor<2> {
        let dense = dense.unwrap_or_else(|| Tensor::zeros(self.shape, (&self.device, DType::F32)));
        let d = self.shape[1];
        host::in_place(dense, |values| {
            for (id, part) in &self.rows {
                let row = &mut values[id * d..(id + 1) * d];
                row.iter_mut().zip(part).for_each(|(a, b)| *a += b);
            }
        })
    }
}

/// `dense + rows`, on any device.
///
/// # Shapes
/// - dense: `[V, D]`; ids: `[n]`; part: `[n, D]`
pub(super) fn scatter_rows(dense: Tensor<2>, ids: Tensor<1, Int>, part: Tensor<2>) -> Tensor<2> {
    dense.select_assign(0, ids, part.cast(DType::F32), IndexingUpdateOp::Add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_were_read_twice_have_the_sum() {
        let device = Device::flex();
        let ids = Tensor::<1, Int>::from_data([2, 0, 2], &device);
        let part = Tensor::<2>::from_data([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], &device);
        let dense = Tensor::<2>::ones([3, 2], &device);
        let mut table = TableGrads::new([3, 2], &device);
        table.add(ids.clone(), part.clone());
        let expected = [4.0, 5.0, 1.0, 1.0, 7.0, 9.0];
        let values = |x: Tensor<2>| x.into_data().iter::<f32>().collect::<Vec<_>>();
        assert_eq!(values(table.onto(Some(dense.clone()))), expected);
        assert_eq!(values(scatter_rows(dense, ids, part)), expected);
        let mut twice = TableGrads::new([3, 2], &device);
        twice.merge(&table);
        twice.merge(&table);
        assert_eq!(values(twice.onto(None)), [6.0, 8.0, 0.0, 0.0, 12.0, 16.0]);
    }

    #[test]
    fn some_rows_at_a_time() {
        let device = Device::flex();
        let part = Tensor::<2>::from_data([[1.0, 2.0], [3.0, 4.0]], &device);
        let start = || Tensor::<2>::ones([3, 2], &device);
        for mut sum in [RowSum::new(start()), RowSum::Device(start())] {
            sum.add(1, part.clone());
            sum.add(0, part.clone().narrow(0, 0, 1));
            let found: Vec<f32> = sum.finish().into_data().iter().collect();
            assert_eq!(found, [2.0, 3.0, 2.0, 3.0, 4.0, 5.0]);
        }
    }
}
