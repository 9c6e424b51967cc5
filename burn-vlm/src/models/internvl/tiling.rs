//! InternVL's dynamic tiling: a picture becomes square tiles of one size, and a thumbnail.

use image::{RgbImage, imageops};
use rayon::prelude::*;

use crate::{
    error::VlmError,
    image::{
        ImagePatches, Normalization, PatchLayout, check_aspect_ratio, patchify, resize_bicubic,
    },
};

/// How a picture is cut into tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiling {
    /// Side of a tile in pixels (S).
    pub tile_size: usize,
    /// The fewest tiles, the thumbnail not counted.
    pub min_tiles: usize,
    /// The most tiles, the thumbnail not counted.
    pub max_tiles: usize,
    /// Whether a picture of more than one tile is followed by itself at the size of one tile.
    pub thumbnail: bool,
}

impl Tiling {
    /// The largest `max_tiles`, at which InternVL 1.5 was evaluated.
    pub const MOST: usize = 40;

    /// Chooses `(columns, rows)` for a picture of `width` x `height` pixels: the grid of allowed
    /// area whose ratio `columns / rows` is closest to `width / height`. Candidates are taken by
    /// rising area, and of several equally close ones a later one wins if the picture has more than
    /// half of the pixels of that grid.
    ///
    /// Source: `dynamic_preprocess` of InternVL's training code; `get_optimal_tiled_canvas` of
    /// `transformers` is the same rule. In which order grids of one area come makes no difference
    /// (tried for every `max_tiles` up to 40).
    pub fn grid(&self, width: usize, height: usize) -> (usize, usize) {
        let aspect = width as f64 / height as f64;
        let area = (width * height) as f64;
        let tile_area = (self.tile_size * self.tile_size) as f64;
        let (mut best, mut best_distance) = ((1, 1), f64::INFINITY);
        for tiles in self.min_tiles..=self.max_tiles {
            for columns in (1..=tiles).filter(|columns| tiles.is_multiple_of(*columns)) {
                let rows = tiles / columns;
                let distance = (aspect - columns as f64 / rows as f64).abs();
                let filled = area > 0.5 * tile_area * tiles as f64;
                if distance < best_distance || (distance == best_distance && filled) {
                    (best, best_distance) = ((columns, rows), distance);
                }
            }
        }
        best
    }

    /// How many [tiles](Self::tiles) a picture of `width` x `height` pixels becomes.
    ///
    /// # Errors
    /// As [`tiles`](Self::tiles).
    pub fn count(&self, width: usize, height: usize) -> Result<usize, VlmError> {
        check_aspect_ratio(width, height)?;
        let (columns, rows) = self.grid(width, height);
        let tiles = columns * rows;
        Ok(tiles + usize::from(self.thumbnail && tiles > 1))
    }

    /// The tiles of `image` from left to right and top to bottom, then the thumbnail if there is
    /// one. The whole picture is resized to the grid; its aspect ratio is not kept.
    ///
    /// # Errors
    /// An empty picture, or sides too far apart (see [`check_aspect_ratio`]).
    pub fn tiles(&self, image: &RgbImage) -> Result<Vec<RgbImage>, VlmError> {
        let (width, height) = (image.width() as usize, image.height() as usize);
        check_aspect_ratio(width, height)?;
        let (columns, rows) = self.grid(width, height);
        let side = self.tile_size as u32;
        let canvas = resize_bicubic(image, side * columns as u32, side * rows as u32);
        let corner = |i: usize| ((i % columns) as u32 * side, (i / columns) as u32 * side);
        let tile = |i: usize| {
            let (x, y) = corner(i);
            imageops::crop_imm(&canvas, x, y, side, side).to_image()
        };
        let mut tiles: Vec<RgbImage> = (0..columns * rows).map(tile).collect();
        if self.thumbnail && tiles.len() > 1 {
            tiles.push(resize_bicubic(image, side, side));
        }
        Ok(tiles)
    }

    /// The patches of `image`, tile after tile, each tile's patches row by row: the grid is
    /// `[tiles, S / P, S / P]`.
    ///
    /// # Errors
    /// As [`tiles`](Self::tiles), or tiles that `patch_size` does not divide.
    pub fn patches(
        &self,
        image: &RgbImage,
        patch_size: usize,
        normalization: &Normalization,
    ) -> Result<ImagePatches, VlmError> {
        let layout = PatchLayout {
            patch_size,
            merge_size: 1,
            temporal_patch_size: 1,
        };
        let tiles: Vec<ImagePatches> = self
            .tiles(image)?
            .par_iter()
            .map(|tile| patchify(tile, &layout, normalization))
            .collect::<Result<_, _>>()?;
        let side = self.tile_size / patch_size;
        Ok(ImagePatches {
            grid: [tiles.len(), side, side],
            patches: tiles.into_iter().flat_map(|tile| tile.patches).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::golden::{self, Numbers};

    fn tiling(tile_size: usize, min_tiles: usize, max_tiles: usize) -> Tiling {
        Tiling {
            tile_size,
            min_tiles,
            max_tiles,
            thumbnail: true,
        }
    }

    #[test]
    fn every_row_of_the_reference_table_agrees() {
        let rows = golden::table("dynamic_preprocess");
        assert_eq!(rows.len(), 815);
        for row in rows {
            let at = |i: usize| row[i] as usize;
            let (columns, rows) = tiling(448, at(2), at(3)).grid(at(0), at(1));
            assert_eq!((columns, rows), (at(4), at(5)), "{row:?}");
            let tiles = tiling(448, at(2), at(3)).count(at(0), at(1));
            assert_eq!(tiles.unwrap(), at(6), "{row:?}");
        }
    }

    /// 800 x 400 is 2:1 exactly, as are grids 2x1 and 4x2. The later one asks for more than half
    /// of 8 * 448 * 448 = 802,816 pixels, 320,000 are there; 1400 x 700 = 980,000 are enough.
    #[test]
    fn a_tie_is_decided_by_the_picture_area() {
        assert_eq!(tiling(448, 1, 12).grid(800, 400), (2, 1));
        assert_eq!(tiling(448, 1, 12).grid(1400, 700), (4, 2));
    }

    #[test]
    fn tiles_are_bit_equal_to_pillow_and_values_match() {
        let golden = Numbers::open("internvl.safetensors");
        for name in golden::PNGS {
            let image = golden::picture_as(name, crate::image::Alpha::Drop);
            let tiles = tiling(56, 1, 6).tiles(&image).unwrap();
            let expected = golden.tensor(&format!("{name}/tiles_u8"));
            assert_eq!(expected.shape, [tiles.len(), 56, 56, 3], "{name}");
            let got: Vec<u8> = tiles.iter().flat_map(|tile| tile.to_vec()).collect();
            assert_eq!(got, expected.bytes, "{name}");

            let patches = tiling(56, 1, 6)
                .patches(&image, 14, &Normalization::IMAGENET)
                .unwrap();
            assert_eq!(patches.grid, [tiles.len(), 4, 4]);
            assert_eq!(patches.patch_len(), 3 * 14 * 14);
            let sums = golden.tensor(&format!("{name}/pixel_values_sum")).f64s();
            let channel = |tile: usize, c: usize| -> f64 {
                let rows = patches.patches.chunks(588).skip(tile * 16).take(16);
                rows.flat_map(|row| &row[c * 196..(c + 1) * 196])
                    .map(|v| f64::from(*v))
                    .sum()
            };
            assert_eq!(sums.len(), tiles.len() * 3);
            for (i, sum) in sums.iter().enumerate() {
                let got = channel(i / 3, i % 3);
                // 3136 values, each within 1e-6 of the reference.
                assert!((got - sum).abs() < 3e-3, "{name}[{i}]: {got} not {sum}");
            }
        }
    }

    /// A patch holds the pixels of its place, channel by channel, in the convolution's order.
    #[test]
    fn patches_walk_each_tile_row_by_row() {
        let image = RgbImage::from_fn(4, 4, |x, y| image::Rgb([(y * 4 + x) as u8, 100, 200]));
        let plain = Normalization {
            rescale: 1.0,
            mean: [0.0; 3],
            std: [1.0; 3],
        };
        let got = tiling(4, 1, 1).patches(&image, 2, &plain).unwrap();
        assert_eq!(got.grid, [1, 2, 2]);
        let reds: Vec<f32> = got
            .patches
            .chunks(12)
            .flat_map(|row| row[..4].to_vec())
            .collect();
        let expected = [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15];
        assert_eq!(reds, expected.map(|v| v as f32));
        assert_eq!(got.patches[4..12], [[100.0; 4], [200.0; 4]].concat());
    }

    #[test]
    fn thumbnails_and_one_tile_can_be_asked_for() {
        let image = RgbImage::new(300, 100);
        let without = Tiling {
            thumbnail: false,
            ..tiling(28, 1, 6)
        };
        assert_eq!(without.tiles(&image).unwrap().len(), 3);
        assert_eq!(tiling(28, 1, 6).tiles(&image).unwrap().len(), 4);
        assert_eq!(tiling(28, 1, 1).tiles(&image).unwrap().len(), 1);
        let error = tiling(28, 1, 6)
            .tiles(&RgbImage::new(1, 10_000))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "image of 1x10000: its aspect ratio is 10000.0, at most 200 is allowed"
        );
    }
}
