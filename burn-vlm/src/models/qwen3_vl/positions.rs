//! Learned positions of a square table, resampled for the patches of a picture.

use crate::nn::{Resampling, int_tensor};
use burn::tensor::{Device, Tensor, TensorData};

/// The first place on an axis of a table of `side` that patch `index` of `size` lies at, and the share
/// of the next one: corners lie on corners. In f32, as the reference computes it.
fn tap(index: usize, size: usize, side: usize) -> (usize, f32) {
    let place = (index * (side - 1)) as f32 / (size - 1).max(1) as f32;
    (place as usize, place - place.floor())
}

/// How a table of `side` × `side` positions is resampled, bilinearly, for each patch in the order of
/// the rows: one merge block after the other. `grids` are `[t, h, w]` in patches.
pub(super) fn resampling(
    grids: &[[usize; 3]],
    side: usize,
    merge: usize,
    device: &Device,
) -> Resampling {
    let (mut places, mut shares): ([Vec<i64>; 4], [Vec<f32>; 4]) = Default::default();
    for [t, h, w] in grids.iter().copied() {
        let columns = w / merge;
        for patch in (0..t).flat_map(|_| 0..h * w) {
            let (block, inside) = (patch / (merge * merge), patch % (merge * merge));
            let row = block / columns * merge + inside / merge;
            let column = block % columns * merge + inside % merge;
            let (top, down) = tap(row, h, side);
            let (left, right) = tap(column, w, side);
            let corners = [(0, 0), (0, 1), (1, 0), (1, 1)];
            for (at, (below, beside)) in corners.into_iter().enumerate() {
                let place = (top + below).min(side - 1) * side + (left + beside).min(side - 1);
                let part = |share: f32, next| if next == 1 { share } else { 1.0 - share };
                places[at].push(place as i64);
                shares[at].push(part(down, below) * part(right, beside));
            }
        }
    }
    let pairs = places.into_iter().zip(shares);
    let taps = pairs.map(|(places, shares)| {
        let n = shares.len();
        let shares = Tensor::from_data(TensorData::new(shares, [n, 1]), device);
        (int_tensor(places, device), shares)
    });
    Resampling {
        taps: taps.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table whose entry is its number: bilinear resampling gives the places themselves.
    #[test]
    fn corners_lie_on_corners_and_the_rest_between() {
        let device = Device::flex();
        let table: Vec<f32> = (0..9).map(|i| i as f32).collect();
        let table = Tensor::<2>::from_data(TensorData::new(table, [9, 1]), &device);
        let of = |grid| {
            let found = resampling(&[grid], 3, 2, &device).of(table.clone());
            found.into_data().iter::<f32>().collect::<Vec<_>>()
        };
        // Rows 0 and 1 of two lie at 0 and 2, columns 0 to 3 of four at 0, 2/3, 4/3 and 2; a block
        // of 2 × 2 patches comes after the other.
        let third = 2.0 / 3.0;
        let expected = [
            0.0,
            third,
            6.0,
            6.0 + third,
            2.0 * third,
            2.0,
            6.0 + 2.0 * third,
            8.0,
        ];
        for (found, expected) in of([1, 2, 4]).iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        // Two frames of one grid have the same positions.
        let twice = of([2, 2, 2]);
        assert_eq!(twice, [0.0, 2.0, 6.0, 8.0, 0.0, 2.0, 6.0, 8.0]);
    }
}
