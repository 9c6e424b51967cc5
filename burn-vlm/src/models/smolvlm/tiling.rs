//! How SmolVLM tiles a picture: the longer side to one size, both up to whole tiles, and the whole as one
//! tile more.

use image::{RgbImage, imageops};
use rayon::prelude::*;

use crate::{
    error::VlmError,
    image::{
        ImagePatches, Normalization, PatchLayout, check_aspect_ratio, patchify, resize_lanczos,
    },
};

/// Longest side of a resized picture, whatever was asked for.
const LONGEST: usize = 4096;

/// How a picture is cut into tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiling {
    /// What the longer side of a picture becomes before it is tiled, in pixels.
    pub longest_edge: usize,
    /// Side of a tile in pixels.
    pub tile_size: usize,
    /// Whether there is more than one tile.
    pub split: bool,
}

/// Width and height in pixels.
type Size = [usize; 2];

impl Tiling {
    /// Most tiles along a side.
    pub fn most(&self) -> usize {
        match self.split {
            true => self
                .longest_edge
                .min(LONGEST)
                .div_ceil(self.tile_size.max(1)),
            false => 1,
        }
    }

    /// The size with the longer side as it should be and the other an even number of pixels.
    ///
    /// Source: `get_resize_output_image_size` of transformers.
    fn resized(&self, [width, height]: Size) -> Size {
        let aspect = width as f64 / height as f64;
        let longest = self.longest_edge;
        let even = |side: f64| (side as usize).next_multiple_of(2).max(1);
        let [width, height] = match width >= height {
            true => [longest, even(longest as f64 / aspect)],
            false => [even(longest as f64 * aspect), longest],
        };
        // Its own sides, of which the longer one has a bound.
        let aspect = width as f64 / height as f64;
        let whole = |side: f64| (side as usize).max(1);
        match width >= height {
            true if width > LONGEST => [LONGEST, whole(LONGEST as f64 / aspect)],
            false if height > LONGEST => [whole(LONGEST as f64 * aspect), LONGEST],
            _ => [width, height],
        }
    }

    /// The size up to whole tiles: the other side by what the longer one became.
    ///
    /// Source: `resize_for_vision_encoder` of transformers.
    fn canvas(&self, [width, height]: Size) -> Size {
        let aspect = width as f64 / height as f64;
        let whole = |side: usize| side.next_multiple_of(self.tile_size);
        match width >= height {
            true => {
                let width = whole(width);
                [width, whole((width as f64 / aspect) as usize)]
            }
            false => {
                let height = whole(height);
                [whole((height as f64 * aspect) as usize), height]
            }
        }
    }

    /// Columns and rows of tiles, that of the whole picture not counted; none where that is the only
    /// one.
    pub fn grid(&self, size: Size) -> Option<Size> {
        let canvas = self.canvas(self.resized(size));
        let grid = canvas.map(|side| side / self.tile_size);
        (self.split && grid != [1, 1]).then_some(grid)
    }

    /// The tiles of `image` from left to right and top to bottom, then the whole picture.
    ///
    /// # Errors
    /// An empty picture, or sides too far apart (see [`check_aspect_ratio`]).
    pub fn tiles(&self, image: &RgbImage) -> Result<Vec<RgbImage>, VlmError> {
        let size = [image.width() as usize, image.height() as usize];
        check_aspect_ratio(size[0], size[1])?;
        let to = |image: &RgbImage, [width, height]: Size| {
            resize_lanczos(image, width as u32, height as u32)
        };
        let first = self.resized(size);
        let whole = to(image, first);
        let tile = [self.tile_size; 2];
        let Some([columns, rows]) = self.grid(size) else {
            return Ok(vec![to(&whole, tile)]);
        };
        let canvas = to(&whole, self.canvas(first));
        let side = self.tile_size as u32;
        let part = |i: usize| {
            let (x, y) = ((i % columns) as u32 * side, (i / columns) as u32 * side);
            imageops::crop_imm(&canvas, x, y, side, side).to_image()
        };
        let parts = (0..columns * rows).map(part);
        Ok(parts.chain([to(&canvas, tile)]).collect())
    }

    /// The patches of `image`, tile after tile, each tile's patches row by row. Pixels to the right and
    /// below the last whole patch of a tile are not seen.
    ///
    /// # Errors
    /// As [`tiles`](Self::tiles).
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
        let side = self.tile_size / patch_size;
        let seen = (side * patch_size) as u32;
        let cut = |tile: &RgbImage| {
            let tile = imageops::crop_imm(tile, 0, 0, seen, seen).to_image();
            patchify(&tile, &layout, normalization)
        };
        let tiles = self.tiles(image)?;
        let tiles: Vec<ImagePatches> = tiles.par_iter().map(cut).collect::<Result<_, _>>()?;
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

    const HALF: Normalization = Normalization {
        rescale: 1.0 / 255.0,
        mean: [0.5; 3],
        std: [0.5; 3],
    };

    fn tiling(longest_edge: usize, tile_size: usize) -> Tiling {
        Tiling {
            longest_edge,
            tile_size,
            split: true,
        }
    }

    #[test]
    fn every_size_of_the_reference_table_agrees() {
        let rows = golden::table_in("tables_2026.json", "smolvlm");
        assert_eq!(rows.len(), 400);
        for row in rows {
            let at = |i: usize| row[i] as usize;
            let tiling = tiling(at(2), at(3));
            let resized = tiling.resized([at(0), at(1)]);
            assert_eq!(resized, [at(4), at(5)], "{row:?}");
            assert_eq!(tiling.canvas(resized), [at(6), at(7)], "{row:?}");
            let grid = tiling.grid([at(0), at(1)]).unwrap_or([0, 0]);
            assert_eq!(grid, [at(8), at(9)], "{row:?}");
            assert!(grid.iter().all(|side| *side <= tiling.most()), "{row:?}");
        }
    }

    #[test]
    fn tiles_are_bit_equal_to_pillow_and_values_match() {
        let expected = Numbers::open("smolvlm.safetensors");
        for name in golden::PNGS {
            let image = golden::picture(name);
            let tiles = tiling(50, 28).tiles(&image).unwrap();
            let pixels = expected.tensor(&format!("{name}/tiles_u8"));
            assert_eq!(pixels.shape, [tiles.len(), 28, 28, 3], "{name}");
            let found: Vec<u8> = tiles.iter().flat_map(|tile| tile.to_vec()).collect();
            assert!(found == pixels.bytes, "{name}");
            let patches = tiling(50, 28).patches(&image, 7, &HALF).unwrap();
            assert_eq!(patches.grid, [tiles.len(), 4, 4]);
            let sums = expected.tensor(&format!("{name}/pixel_values_sum")).f64s();
            assert_eq!(sums.len(), tiles.len() * 3);
            for (i, sum) in sums.iter().enumerate() {
                let tile = patches.patches.chunks(147).skip(i / 3 * 16).take(16);
                let channel = |patch: &[f32]| -> f64 {
                    let own = &patch[i % 3 * 49..(i % 3 + 1) * 49];
                    own.iter().map(|v| f64::from(*v)).sum()
                };
                let found: f64 = tile.map(channel).sum();
                assert!((found - sum).abs() < 1e-3, "{name}[{i}]: {found} not {sum}");
            }
        }
    }

    #[test]
    fn without_tiles_a_picture_is_one() {
        let expected = Numbers::open("smolvlm.safetensors");
        let single = Tiling {
            split: false,
            ..tiling(50, 28)
        };
        for name in &golden::PNGS[..2] {
            let found = single.tiles(&golden::picture(name)).unwrap();
            let pixels = expected.tensor(&format!("{name}/single_u8"));
            assert!(
                found.len() == 1 && found[0].to_vec() == pixels.bytes,
                "{name}"
            );
        }
    }

    /// 14-pixel patches of a tile of 30 are two a side: the last two pixels are not seen.
    #[test]
    fn what_is_over_after_whole_patches_is_not_seen() {
        let image = RgbImage::from_fn(30, 30, |x, y| image::Rgb([(x * 7 + y) as u8, 0, 0]));
        let found = tiling(30, 30).patches(&image, 14, &HALF).unwrap();
        assert_eq!(found.grid, [1, 2, 2]);
        let corner = f64::from(found.patches[3 * 588 + 195]);
        let expected = f64::from(27 * 7 + 27_u8) / 127.5 - 1.0;
        assert!((corner - expected).abs() < 1e-6, "{corner} {expected}");
    }
}
