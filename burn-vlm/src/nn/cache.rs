//! Keys and values of the tokens read so far.

use burn::tensor::{DType, Device, Int, Tensor};

/// A preallocated key-value cache of every layer, filled from the left.
#[derive(Debug, Clone)]
pub struct KvCache {
    layers: Vec<LayerCache>,
    len: usize,
    bucket: usize,
}

/// The cache of one layer.
#[derive(Debug, Clone)]
struct LayerCache {
    /// `[B, K, capacity, head_dim]`
    keys: Tensor<4>,
    /// `[B, K, capacity, head_dim]`
    values: Tensor<4>,
}

impl KvCache {
    /// An empty cache. `shape` is `[B, K, capacity, head_dim]`.
    pub fn new(layers: usize, shape: [usize; 4], dtype: DType, device: &Device) -> Self {
        let empty = || Tensor::zeros(shape, (device, dtype));
        let layers = (0..layers)
            .map(|_| LayerCache {
                keys: empty(),
                values: empty(),
            })
            .collect();
        Self {
            layers,
            len: 0,
            bucket: 1,
        }
    }

    /// The same, read in multiples of `bucket` positions, as far as its capacity goes: what a
    /// device computes has one shape for so many tokens. What is read beyond its end is to be
    /// masked.
    pub fn in_buckets_of(mut self, bucket: usize) -> Self {
        self.bucket = bucket.max(1);
        self
    }

    /// Positions that are read once `n` more are filled.
    pub fn reach(&self, n: usize) -> usize {
        let capacity = self.layers.first().map_or(0, |l| l.keys.dims()[2]);
        let whole = (self.len + n).next_multiple_of(self.bucket);
        whole.min(capacity).max(self.len + n)
    }

    /// Positions filled.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was read yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Marks `n` more positions as filled, once every layer has appended them.
    pub fn advance(&mut self, n: usize) {
        self.len += n;
    }

    /// Writes keys and values of the next `T` positions into layer `index`, and returns all that is
    /// read with them: R positions, as [`reach`](Self::reach) says.
    ///
    /// # Shapes
    /// - input: `[B, K, T, head_dim]`
    /// - output: `[B, K, R, head_dim]`
    pub fn append(&mut self, index: usize, k: Tensor<4>, v: Tensor<4>) -> [Tensor<4>; 2] {
        let [b, heads, t, d] = k.dims();
        let reach = self.reach(t);
        let place = [0..b, 0..heads, self.len..self.len + t, 0..d];
        let layer = &mut self.layers[index];
        layer
            .keys
            .inplace(|keys| keys.slice_assign(place.clone(), k));
        layer.values.inplace(|values| values.slice_assign(place, v));
        [&layer.keys, &layer.values].map(|all| all.clone().narrow(2, 0, reach))
    }

    /// A cache whose row `i` is row `rows[i]` of this one, with room for `capacity` positions:
    /// copies prompts for several draws, or drops the rows that are done. The old rows of a layer
    /// go when its new ones are there.
    pub fn select(self, rows: &Tensor<1, Int>, capacity: usize) -> Self {
        let (len, bucket) = (self.len, self.bucket);
        let pick = |x: Tensor<4>| {
            let [_, heads, _, d] = x.dims();
            let (n, device, dtype) = (rows.dims()[0], x.device(), x.dtype());
            let filled = x.narrow(2, 0, len).select(0, rows.clone());
            let room = Tensor::zeros([n, heads, capacity, d], (&device, dtype));
            room.slice_assign([0..n, 0..heads, 0..len, 0..d], filled)
        };
        let layer = |layer: LayerCache| LayerCache {
            keys: pick(layer.keys),
            values: pick(layer.values),
        };
        Self {
            layers: self.layers.into_iter().map(layer).collect(),
            len,
            bucket,
        }
    }
}
