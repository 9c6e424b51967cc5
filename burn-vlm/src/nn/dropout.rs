//! Dropout whose mask is a function of what it is for.
//!
//! A block that is run again for its backward pass meets the same mask, and the mask of a sample
//! does not depend on the samples beside it.

use crate::rng::mix;
use burn::tensor::{Bool, Tensor, TensorData};
use rayon::prelude::*;
use std::sync::Arc;

/// One key for each position that a layer may be given: of a token, or of a patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PositionKeys {
    /// One a token, `B · T` in all.
    Tokens(Vec<u64>),
    /// One a picture with its share of the rows: layers of a tower differ in how many rows a
    /// picture takes, but not in the pictures' proportions.
    Pictures(Vec<(u64, usize)>),
}

impl PositionKeys {
    /// The key of each of `n` rows.
    ///
    /// # Panics
    /// The rows are those of another batch, whose masks would be wrong in silence.
    fn rows(&self, n: usize) -> Vec<u64> {
        let rows = match self {
            Self::Tokens(keys) => keys.clone(),
            Self::Pictures(pictures) => {
                let total: usize = pictures.iter().map(|(_, share)| share).sum();
                let rows = |(key, share): &(u64, usize)| {
                    let key = *key;
                    (0..n * share / total.max(1)).map(move |i| mix(key, i as u64))
                };
                pictures.iter().flat_map(rows).collect()
            }
        };
        assert_eq!(
            rows.len(),
            n,
            "dropout of the batch that the model was made for"
        );
        rows
    }
}

/// The dropout of one layer in one forward pass.
#[derive(Debug, Clone)]
pub struct Dropout {
    /// What is left out, in 65,536ths.
    threshold: u16,
    /// Which layer this is.
    layer: u64,
    keys: Arc<PositionKeys>,
}

impl Dropout {
    /// Leaves out a share of `p` of the values, to the nearest 65,536th.
    pub fn new(p: f64, layer: u64, keys: Arc<PositionKeys>) -> Self {
        let threshold = (p * 65_536.0).round().clamp(0.0, 65_535.0) as u16;
        Self {
            threshold,
            layer,
            keys,
        }
    }

    /// Zeroes what is left out and scales the rest, so that the mean stays.
    ///
    /// # Shapes
    /// - input and output: `[..., width]`
    pub fn apply<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let shape = x.dims();
        let width = shape[D - 1];
        let rows = shape.iter().product::<usize>() / width.max(1);
        let mask = TensorData::new(self.mask(rows, width), shape);
        let mask = Tensor::<D, Bool>::from_data(mask, &x.device());
        let kept = 1.0 - f64::from(self.threshold) / 65_536.0;
        x.mask_fill(mask, 0.0).div_scalar(kept)
    }

    /// True for what is left out, row by row.
    fn mask(&self, rows: usize, width: usize) -> Vec<bool> {
        // One 64-bit hash decides four values.
        const LANES: usize = 4;
        let keys = self.keys.rows(rows);
        let mut mask = vec![false; rows * width];
        mask.par_chunks_mut(width.max(1))
            .zip(&keys)
            .for_each(|(row, key)| {
                let key = mix(self.layer, *key);
                for (i, values) in row.chunks_mut(LANES).enumerate() {
                    let mut bits = mix(key, i as u64);
                    for value in values {
                        *value = (bits as u16) < self.threshold;
                        bits >>= 16;
                    }
                }
            });
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dropout(layer: u64, keys: PositionKeys) -> Dropout {
        Dropout::new(0.25, layer, Arc::new(keys))
    }

    #[test]
    fn a_share_of_p_is_left_out_evenly() {
        let keys = PositionKeys::Tokens((0..500).collect());
        let mask = dropout(3, keys).mask(500, 201);
        let share = mask.iter().filter(|x| **x).count() as f64 / mask.len() as f64;
        assert!((share - 0.25).abs() < 0.005, "{share}");
        for column in 0..8 {
            let n = (0..500).filter(|row| mask[row * 201 + column]).count();
            assert!((85..165).contains(&n), "column {column}: {n} of 500");
        }
    }

    #[test]
    fn a_token_has_its_mask_whatever_is_beside_it() {
        let whole = dropout(3, PositionKeys::Tokens(vec![7, 8, 9])).mask(3, 50);
        let alone = dropout(3, PositionKeys::Tokens(vec![9])).mask(1, 50);
        assert_eq!(whole[100..], alone);
        assert_ne!(whole[..50], whole[50..100]);
        let other = dropout(4, PositionKeys::Tokens(vec![9])).mask(1, 50);
        assert_ne!(alone, other);
    }

    #[test]
    fn a_picture_has_its_mask_in_layers_of_any_length() {
        let pair = PositionKeys::Pictures(vec![(5, 16), (6, 8)]);
        let alone = PositionKeys::Pictures(vec![(6, 8)]);
        assert_eq!(pair.rows(24)[16..], alone.rows(8));
        assert_eq!(pair.rows(6)[4..], alone.rows(2));
    }

    #[test]
    fn another_batch_is_refused() {
        let tokens = PositionKeys::Tokens(vec![7, 8, 9]);
        let pair = PositionKeys::Pictures(vec![(5, 16), (6, 8)]);
        for (keys, n) in [(&tokens, 2), (&tokens, 4), (&pair, 25)] {
            let keys = keys.clone();
            assert!(std::panic::catch_unwind(move || keys.rows(n)).is_err());
        }
    }
}
