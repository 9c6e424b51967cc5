//! Keys and values of the tokens read so far.

use burn::tensor::{DType, Device, Int, Tensor};

/// A preallocated key-value cache of every layer, filled from the left.
#[derive(Debug, Clone)]
pub struct KvCache {
    layers: Vec<LayerCache>,
    len: usize,
}

/// The cache of one layer.
#[derive(Debug, Clone)]
pub struct LayerCache {
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
        Self { layers, len: 0 }
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

    /// The cache of layer `index` and the position at which it grows.
    pub fn layer(&mut self, index: usize) -> (&mut LayerCache, usize) {
        (&mut self.layers[index], self.len)
    }

    /// A cache whose row `i` is row `rows[i]` of this one, with room for `capacity` positions:
    /// copies prompts for several draws, or drops the rows that are done. The old rows of a layer
    /// go when its new ones are there.
    pub fn select(self, rows: &Tensor<1, Int>, capacity: usize) -> Self {
        let len = self.len;
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
        }
    }
}

impl LayerCache {
    /// Writes keys and values at position `at` and returns everything up to their end.
    ///
    /// # Shapes
    /// - input: `[B, K, T, head_dim]`
    /// - output: `[B, K, at + T, head_dim]`
    pub fn append(&mut self, at: usize, k: Tensor<4>, v: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let [b, heads, t, d] = k.dims();
        let place = [0..b, 0..heads, at..at + t, 0..d];
        self.keys
            .inplace(|keys| keys.slice_assign(place.clone(), k));
        self.values.inplace(|values| values.slice_assign(place, v));
        (
            self.keys.clone().narrow(2, 0, at + t),
            self.values.clone().narrow(2, 0, at + t),
        )
    }
}
