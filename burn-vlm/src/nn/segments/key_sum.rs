//! Gradients of keys or values, to which each tile adds those of what it saw.

use super::Tile;
use crate::{
    device::runs_on_host,
    host::{self, HostTensor},
};
use burn::tensor::{DType, Tensor};

/// A sum `[1, K, N, d]`, in f32: in place on a host.
pub(super) struct KeySum {
    dims: [usize; 4],
    dtype: DType,
    sum: Sum,
}

enum Sum {
    Host(HostTensor<4>),
    Device(Tensor<4>),
}

impl KeySum {
    /// Zeros, as many as `like` has values.
    pub fn new(like: &Tensor<4>) -> Self {
        let (dims, device) = (like.dims(), like.device());
        let zeros = Tensor::zeros(dims, (&device, DType::F32));
        Self {
            dims,
            dtype: like.dtype(),
            sum: match runs_on_host(&device) {
                true => Sum::Host(HostTensor::take(zeros)),
                false => Sum::Device(zeros),
            },
        }
    }

    /// # Shapes
    /// - part: `[1, K, S, d]`, of the tile's keys
    pub fn add(&mut self, tile: &Tile, part: Tensor<4>) {
        let [_, heads, n, d] = self.dims;
        let keys = part.dims()[2];
        let part = part.cast(DType::F32);
        match &mut self.sum {
            Sum::Host(sum) => {
                let part = HostTensor::take(part);
                for head in 0..heads {
                    let mut from = head * keys * d;
                    for range in tile.ranges() {
                        let (start, len) = ((head * n + range.start) * d, range.len() * d);
                        let own = &mut sum.values_mut()[start..start + len];
                        host::add(own, &part.values()[from..from + len]);
                        from += len;
                    }
                }
            }
            Sum::Device(sum) => {
                let mut from = 0;
                for range in tile.ranges() {
                    let place = [0..1, 0..heads, range.clone(), 0..d];
                    let own = sum.clone().slice(place.clone());
                    let own = own + part.clone().narrow(2, from, range.len());
                    sum.inplace(|sum| sum.slice_assign(place, own));
                    from += range.len();
                }
            }
        }
    }

    /// The sum, in the precision of what it is for.
    pub fn finish(self) -> Tensor<4> {
        let sum = match self.sum {
            Sum::Host(sum) => sum.give_back(),
            Sum::Device(sum) => sum,
        };
        sum.cast(self.dtype)
    }
}
