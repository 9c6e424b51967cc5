//! What attends to what in the vision tower, and where each patch is.

use super::VisionConfig;
use crate::nn::{
    VisionPlan, int_tensor,
    packing::{Angles, Packing},
    rope::inverse_frequencies,
};
use burn::tensor::Device;

/// Plans the attention of a batch of pictures.
///
/// `grids` are `[t, h, w]` in patches, each side a multiple of the merge size.
pub(super) fn plan(config: &VisionConfig, grids: &[[usize; 3]], device: &Device) -> VisionPlan {
    let merge = config.spatial_merge_size;
    let unit = merge * merge;
    let windows = config.windows.as_ref();
    let window = windows.map_or(usize::MAX, |w| w.size / merge / config.patch_size);
    let head_dim = config.block.width / config.block.heads;
    let frequencies = inverse_frequencies(head_dim / 2, config.rope_theta);
    let half = head_dim / 2;

    let (mut groups, mut window_lens, mut picture_lens) = (Vec::new(), vec![], vec![]);
    let mut coordinates = Vec::new();
    for [t, h, w] in grids.iter().copied() {
        let (rows, columns) = (h / merge, w / merge);
        for _ in 0..t {
            let first = coordinates.len() / unit;
            picture_lens.push(h * w);
            for group in 0..rows * columns {
                let (row, column) = (group / columns * merge, group % columns * merge);
                coordinates.extend((0..unit).map(|i| (row + i / merge, column + i % merge)));
            }
            for (top, left) in (0..rows.div_ceil(window))
                .flat_map(|r| (0..columns.div_ceil(window)).map(move |c| (r * window, c * window)))
            {
                let before = groups.len();
                for row in top..rows.min(top.saturating_add(window)) {
                    groups.extend(
                        (left..columns.min(left.saturating_add(window)))
                            .map(|c| first + row * columns + c),
                    );
                }
                window_lens.push((groups.len() - before) * unit);
            }
        }
    }

    let order: Vec<usize> = groups
        .iter()
        .flat_map(|group| (0..unit).map(move |i| group * unit + i))
        .collect();
    let mut angles = Vec::with_capacity(order.len() * half);
    for patch in &order {
        let (row, column) = coordinates[*patch];
        angles.extend(frequencies.iter().map(|f| row as f32 * f));
        angles.extend(frequencies.iter().map(|f| column as f32 * f));
    }
    let in_order = groups.iter().enumerate().all(|(i, group)| i == *group);
    let mut inverse = vec![0_i64; groups.len()];
    for (index, group) in groups.iter().enumerate() {
        inverse[*group] = index as i64;
    }
    let order = order.into_iter().map(|i| i as i64).collect();
    let angles = Some(Angles {
        values: &angles,
        half,
    });
    VisionPlan {
        order: (!in_order).then(|| int_tensor(order, device)),
        inverse: (!in_order).then(|| int_tensor(inverse, device)),
        windows: windows.map(|_| Packing::new(&window_lens, angles, device)),
        pictures: Packing::new(&picture_lens, angles, device),
        positions: None,
    }
}
