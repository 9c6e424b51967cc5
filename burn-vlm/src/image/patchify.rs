//! Cutting a normalised picture into the rows of patches that a vision tower reads.

use image::RgbImage;
use rayon::prelude::*;

use super::Normalization;
use crate::error::VlmError;

/// How a picture is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatchLayout {
    /// Side of a square patch in pixels (P).
    pub patch_size: usize,
    /// Side, in patches, of the square that the tower merges into one token (M).
    pub merge_size: usize,
    /// Frames in a patch (T); a still picture is repeated to fill them.
    pub temporal_patch_size: usize,
}

impl PatchLayout {
    /// Pixels along one side of a merged token: the picture's sides are multiples of it.
    pub fn factor(&self) -> usize {
        self.patch_size * self.merge_size
    }
}

/// The patches of one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct ImagePatches {
    /// `[n, C * T * P * P]`, row-major, normalised.
    ///
    /// Rows walk a picture one `M x M` merge block after the other, row-major inside and outside;
    /// where it is cut into tiles, one tile after the other, each row by row. The features of a row
    /// are ordered channel, frame, y, x.
    pub patches: Vec<f32>,
    /// Patches along time (or tiles), height and width.
    pub grid: [usize; 3],
}

impl ImagePatches {
    /// The number of rows, `t * h * w`.
    pub fn num_patches(&self) -> usize {
        self.grid.iter().product()
    }

    /// The length of a row, `C * T * P * P`.
    pub fn patch_len(&self) -> usize {
        self.patches
            .len()
            .checked_div(self.num_patches())
            .unwrap_or(0)
    }

    /// The number of tokens the language model sees when `merge_size`² patches make one; none where
    /// no patches do.
    pub fn num_tokens(&self, merge_size: usize) -> usize {
        let group = merge_size.saturating_pow(2);
        self.num_patches().checked_div(group).unwrap_or(0)
    }
}

/// Normalises `image` and cuts it into patches.
///
/// # Errors
/// A layout with a zero, or a picture whose sides are not positive multiples of
/// [`PatchLayout::factor`].
pub fn patchify(
    image: &RgbImage,
    layout: &PatchLayout,
    normalization: &Normalization,
) -> Result<ImagePatches, VlmError> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let PatchLayout {
        patch_size: p,
        merge_size: m,
        temporal_patch_size: frames,
    } = *layout;
    let factor = layout.factor();
    let whole = |side: usize| side > 0 && factor > 0 && side.is_multiple_of(factor);
    if !whole(width) || !whole(height) || frames == 0 {
        return Err(VlmError::Image {
            name: format!("of {width}x{height}"),
            message: format!("its sides must be multiples of {factor} pixels for {layout:?}"),
        });
    }
    let table = normalization.table();
    let pixels: &[u8] = image;
    let (grid_h, grid_w) = (height / p, width / p);
    let blocks_w = grid_w / m;
    let mut patches = vec![0f32; grid_h * grid_w * 3 * frames * p * p];
    patches
        .par_chunks_mut(3 * frames * p * p)
        .enumerate()
        .for_each(|(row, patch)| {
            let (block, inside) = (row / (m * m), row % (m * m));
            let y0 = ((block / blocks_w) * m + inside / m) * p;
            let x0 = ((block % blocks_w) * m + inside % m) * p;
            for (c, channel) in patch.chunks_exact_mut(frames * p * p).enumerate() {
                for (i, value) in channel.iter_mut().enumerate() {
                    let (y, x) = (y0 + i / p % p, x0 + i % p);
                    *value = table[c][usize::from(pixels[(y * width + x) * 3 + c])];
                }
            }
        });
    Ok(ImagePatches {
        patches,
        grid: [1, grid_h, grid_w],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{golden, resize_bicubic};

    const QWEN: PatchLayout = PatchLayout {
        patch_size: 14,
        merge_size: 2,
        temporal_patch_size: 2,
    };

    /// 4x4 patches of one pixel: the order of rows is visible in the values themselves.
    #[test]
    fn rows_walk_merge_blocks() {
        let image = RgbImage::from_fn(4, 4, |x, y| image::Rgb([(y * 4 + x) as u8, 100, 200]));
        let layout = PatchLayout {
            patch_size: 1,
            merge_size: 2,
            temporal_patch_size: 2,
        };
        let plain = Normalization {
            rescale: 1.0,
            mean: [0.0; 3],
            std: [1.0; 3],
        };
        let got = patchify(&image, &layout, &plain).unwrap();
        assert_eq!(got.grid, [1, 4, 4]);
        assert_eq!(
            (got.num_patches(), got.patch_len(), got.num_tokens(2)),
            (16, 6, 4)
        );
        assert_eq!([0, usize::MAX].map(|merge| got.num_tokens(merge)), [0, 0]);
        let order: Vec<f32> = got.patches.chunks(6).map(|row| row[0]).collect();
        let expected = [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15];
        assert_eq!(order, expected.map(|v| v as f32));
        assert_eq!(got.patches[..6], [0.0, 0.0, 100.0, 100.0, 200.0, 200.0]);
    }

    #[test]
    fn a_picture_that_does_not_divide_is_refused() {
        let error = patchify(&RgbImage::new(28, 30), &QWEN, &Normalization::CLIP).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("image of 28x30: its sides must be multiples of 28")
        );
        assert!(patchify(&RgbImage::new(0, 28), &QWEN, &Normalization::CLIP).is_err());
    }

    #[test]
    fn pixel_values_match_transformers() {
        for name in golden::PNGS {
            let grid = golden::tensor(&format!("{name}/grid_thw")).i64s();
            let (height, width) = (grid[1] as u32 * 14, grid[2] as u32 * 14);
            let image = resize_bicubic(&golden::picture(name), width, height);
            let got = patchify(&image, &QWEN, &Normalization::CLIP).unwrap();
            assert_eq!(got.grid.map(|side| side as i64), grid[..], "{name}");
            assert_eq!(got.patch_len(), 1176);

            let heads = golden::tensor(&format!("{name}/pixel_values_head")).f32s();
            let sums = golden::tensor(&format!("{name}/pixel_values_sum")).f64s();
            let rows = got.patches.chunks(1176);
            assert_eq!((rows.len() * 24, rows.len()), (heads.len(), sums.len()));
            for ((row, head), sum) in rows.zip(heads.chunks(24)).zip(sums) {
                golden::assert_close(row.iter().copied().step_by(49), head, 1e-6, name);
                let total: f64 = row.iter().map(|&v| f64::from(v)).sum();
                assert!(
                    (total - sum).abs() < 1e-3,
                    "{name}: {total} instead of {sum}"
                );
            }
        }
        for name in ["square_64.png", "gray_70x42.png"] {
            let image = resize_bicubic(&golden::picture(name), 56, 56);
            let got = patchify(&image, &QWEN, &Normalization::CLIP).unwrap();
            let expected = golden::tensor(&format!("{name}/pixel_values")).f32s();
            golden::assert_close(got.patches.iter().copied(), &expected, 1e-6, name);
        }
    }
}
