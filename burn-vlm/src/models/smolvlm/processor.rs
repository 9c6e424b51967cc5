//! How SmolVLM cuts pictures, and what it writes around their tiles.

use std::iter::repeat_n;
use std::sync::Arc;

use image::RgbImage;
use serde::Deserialize;
use serde_json::Value;

use super::{config, tiling::Tiling};
use crate::image::{Alpha, ImagePatches, Normalization, PatchLayout};
use crate::models::section::{check_all_steps, check_statistics, image_section};
use crate::models::{ImageProcessor, PictureLimits, Shown, TokenIds, expand_each};
use crate::text::ProcessorFiles;
use crate::{dir, error::VlmError};

/// The token that a feature replaces, and what the chat templates write for a picture.
pub const IMAGE_TOKEN: &str = "<image>";
/// The token around every tile's features.
pub const AROUND: &str = "<fake_token_around_image>";
/// The token before the features of the whole picture.
pub const WHOLE: &str = "<global-img>";

/// Pillow's number of the Lanczos filter.
const LANCZOS: u32 = 1;

/// Most tiles along a side: beyond what any tokenizer names.
const MOST: usize = 64;

/// How pictures become tiles and patches.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageConfig {
    /// How a picture is cut into tiles.
    pub tiling: Tiling,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Side, in patches, of the square that becomes one token.
    pub merge_size: usize,
    /// The tower's statistics.
    pub normalization: Normalization,
}

#[derive(Deserialize)]
struct Edge {
    longest_edge: usize,
}

#[derive(Default, Deserialize)]
struct RawImages {
    image_mean: Option<[f64; 3]>,
    image_std: Option<[f64; 3]>,
    rescale_factor: Option<f64>,
    resample: Option<u32>,
    do_resize: Option<bool>,
    do_rescale: Option<bool>,
    do_normalize: Option<bool>,
    do_image_splitting: Option<bool>,
    size: Option<Edge>,
    max_image_size: Option<Edge>,
}

impl ImageConfig {
    /// Reads `image_processor` of `processor_config.json`, else `preprocessor_config.json`, and the
    /// sizes of the tower in `config.json`.
    ///
    /// # Errors
    /// A file is missing, a value has the wrong type, or one asks for what is not supported.
    pub fn from_files(files: &ProcessorFiles) -> Result<Self, VlmError> {
        let path = files.path(ProcessorFiles::CONFIG);
        files.require(ProcessorFiles::CONFIG)?;
        let model = files.object(ProcessorFiles::CONFIG)?.unwrap_or_default();
        // How wide features are is nothing to pictures.
        let tower = config::vision(&model, 0).map_err(|m| VlmError::config(&path, m))?;
        let Some((path, json)) = image_section(files)? else {
            return Err(files.missing("preprocessor_config.json"));
        };
        let wrong = |message| VlmError::config(&path, message);
        let config = Self::read(&json, &tower).map_err(wrong)?;
        let declared = files.object("processor_config.json")?;
        let declared = declared.and_then(|json| json["image_seq_len"].as_u64());
        let side = tower.side() / tower.merge_size.max(1);
        match declared.filter(|found| *found != (side * side) as u64) {
            Some(found) => Err(VlmError::config(
                files.path("processor_config.json"),
                format!(
                    "image_seq_len is {found}, expected {} as of config.json",
                    side * side
                ),
            )),
            None => Ok(config),
        }
    }

    fn read(json: &Value, tower: &config::VisionConfig) -> Result<Self, String> {
        let raw: RawImages = dir::fields(json)?;
        check_all_steps([
            ("do_resize", raw.do_resize),
            ("do_rescale", raw.do_rescale),
            ("do_normalize", raw.do_normalize),
        ])?;
        if let Some(found) = raw.resample.filter(|found| *found != LANCZOS) {
            return Err(format!(
                "resample is {found}, only {LANCZOS} (Lanczos) is supported"
            ));
        }
        // What transformers assumes when the file says nothing.
        let edge = |edge: Option<Edge>, default| edge.map_or(default, |edge| edge.longest_edge);
        let config = Self {
            tiling: Tiling {
                longest_edge: edge(raw.size, 4 * 364),
                tile_size: edge(raw.max_image_size, 364),
                split: raw.do_image_splitting.unwrap_or(true),
            },
            patch_size: tower.patch_size,
            merge_size: tower.merge_size,
            normalization: Normalization {
                rescale: raw.rescale_factor.unwrap_or(1.0 / 255.0),
                mean: raw.image_mean.unwrap_or([0.5; 3]),
                std: raw.image_std.unwrap_or([0.5; 3]),
            },
        };
        config.validate(tower)?;
        Ok(config)
    }

    fn validate(&self, tower: &config::VisionConfig) -> Result<(), String> {
        let Tiling {
            tile_size,
            longest_edge,
            ..
        } = self.tiling;
        if tile_size != tower.image_size || tower.side() == 0 {
            return Err(format!(
                "max_image_size.longest_edge is {tile_size}, expected {} as \
                 vision_config.image_size of config.json, and at least one patch",
                tower.image_size
            ));
        }
        if longest_edge == 0 || self.tiling.most() > MOST {
            return Err(format!(
                "size.longest_edge is {longest_edge}, expected 1 to {} pixels",
                MOST * tile_size
            ));
        }
        check_statistics(&self.normalization)
    }
}

/// The ids of what is written around tiles.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Frame {
    around: u32,
    whole: u32,
    /// `<row_R_col_C>`, row by row.
    places: Vec<Vec<u32>>,
    /// After a row of tiles.
    line: Vec<u32>,
    /// After the last row of tiles.
    lines: Vec<u32>,
}

/// The picture processing of a model directory.
#[derive(Debug, Clone, PartialEq)]
pub struct Images {
    config: ImageConfig,
    token: u32,
    /// None where no tokenizer says it.
    frame: Option<Frame>,
}

impl Images {
    pub(super) fn read(
        files: &ProcessorFiles,
        ids: &TokenIds<'_>,
    ) -> Result<Option<Arc<dyn ImageProcessor>>, VlmError> {
        let token = ids.placeholder(IMAGE_TOKEN)?;
        let config = ImageConfig::from_files(files)?;
        let frame = match ids.of(AROUND)? {
            Some(around) => Some(Frame::read(around, config.tiling, ids)?),
            None => None,
        };
        Ok(Some(Arc::new(Self {
            config,
            token,
            frame,
        })))
    }
}

impl Frame {
    fn read(around: u32, tiling: Tiling, ids: &TokenIds<'_>) -> Result<Self, VlmError> {
        let all = |tokens: Vec<String>| -> Result<Vec<u32>, VlmError> {
            let ids = tokens.iter().filter_map(|token| ids.of(token).transpose());
            ids.collect()
        };
        // One tile alone has no place.
        let most = if tiling.most() > 1 { tiling.most() } else { 0 };
        let row = |row: usize| all((1..=most).map(|c| format!("<row_{row}_col_{c}>")).collect());
        Ok(Self {
            around,
            whole: all(vec![WHOLE.into()])?.remove(0),
            places: (1..=most).map(row).collect::<Result<_, _>>()?,
            line: ids.text("\n")?,
            lines: ids.text("\n\n")?,
        })
    }

    /// What stands for a picture of `grid` tiles, each `tile`.
    fn write(&self, grid: Option<[usize; 2]>, tile: &[u32]) -> Vec<u32> {
        let mut out = vec![];
        let [columns, rows] = grid.unwrap_or([0, 0]);
        for (r, row) in self.places.iter().take(rows).enumerate() {
            for place in row.iter().take(columns) {
                out.extend([self.around, *place]);
                out.extend_from_slice(tile);
            }
            // The last row's line ends beside that of what follows.
            out.extend_from_slice(if r + 1 < rows {
                &self.line
            } else {
                &self.lines
            });
        }
        out.extend([self.around, self.whole]);
        out.extend_from_slice(tile);
        out.push(self.around);
        out
    }
}

impl ImageProcessor for Images {
    fn alpha(&self) -> Alpha {
        Alpha::OverWhite
    }

    fn token(&self) -> (&str, u32) {
        (IMAGE_TOKEN, self.token)
    }

    fn template_text(&self) -> &str {
        IMAGE_TOKEN
    }

    fn layout(&self) -> PatchLayout {
        PatchLayout {
            patch_size: self.config.patch_size,
            merge_size: self.config.merge_size,
            temporal_patch_size: 1,
        }
    }

    fn patches(&self, image: &RgbImage) -> Result<ImagePatches, VlmError> {
        let ImageConfig {
            tiling,
            patch_size,
            normalization,
            ..
        } = &self.config;
        tiling.patches(image, *patch_size, normalization)
    }

    /// That of the tiles side by side.
    fn resized(&self, size: [usize; 2], _: &ImagePatches) -> [usize; 2] {
        let grid = self.config.tiling.grid(size).unwrap_or([1, 1]);
        grid.map(|n| n * self.config.tiling.tile_size)
    }

    /// Each tile between tokens that say where it was, a line a row; then the whole picture.
    fn expand(&self, tokens: &[u32], pictures: &[Shown<'_>]) -> Vec<u32> {
        expand_each(tokens, self.token, pictures, |shown, _| {
            let count = shown.patches.num_tokens(self.config.merge_size);
            let Some(frame) = &self.frame else {
                return vec![self.token; count];
            };
            let tiles = shown.patches.grid[0].max(1);
            let tile: Vec<u32> = repeat_n(self.token, count / tiles).collect();
            frame.write(self.config.tiling.grid(shown.size), &tile)
        })
    }

    fn limited(&self, _: &PictureLimits) -> Result<Arc<dyn ImageProcessor>, String> {
        Ok(Arc::new(self.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(images: Value) -> Result<ImageConfig, String> {
        let mut files = ProcessorFiles::new();
        let model = json!({
            "model_type": "smolvlm", "scale_factor": 4,
            "vision_config": {"image_size": 512, "patch_size": 16},
        });
        files.insert("config.json", model.to_string());
        files.insert("preprocessor_config.json", images.to_string());
        ImageConfig::from_files(&files).map_err(|error| error.to_string())
    }

    fn published() -> Value {
        json!({"do_convert_rgb": true, "do_image_splitting": true, "do_normalize": true, "do_pad": true,
            "do_rescale": true, "do_resize": true, "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5], "max_image_size": {"longest_edge": 512}, "resample": 1,
            "rescale_factor": 0.00392156862745098, "size": {"longest_edge": 2048}})
    }

    #[test]
    fn the_published_file_is_read() {
        let found = read(published()).unwrap();
        let expected = Tiling {
            longest_edge: 2048,
            tile_size: 512,
            split: true,
        };
        assert_eq!(found.tiling, expected);
        assert_eq!((found.patch_size, found.merge_size), (16, 4));
        assert_eq!(found.tiling.most(), 4);
    }

    #[test]
    fn what_is_not_supported_is_named() {
        for (key, value, expected) in [
            ("resample", json!(3), "resample is 3, only 1 (Lanczos)"),
            ("do_resize", json!(false), "do_resize is false"),
            (
                "max_image_size",
                json!({"longest_edge": 364}),
                "max_image_size.longest_edge is 364, expected 512",
            ),
            (
                "size",
                json!({"longest_edge": 0}),
                "size.longest_edge is 0, expected 1 to 32768",
            ),
            ("size", json!({"height": 5}), "longest_edge"),
        ] {
            let mut images = published();
            images[key] = value;
            let message = read(images).unwrap_err();
            assert!(
                message.starts_with("preprocessor_config.json: "),
                "{message}"
            );
            assert!(message.contains(expected), "{message}");
        }
    }

    /// `_prompt_split_image` and `_prompt_single_image` of transformers, by hand: 8 around, 9 whole,
    /// 10 and 11 the ends of lines.
    #[test]
    fn tiles_stand_between_their_places() {
        let frame = Frame {
            around: 8,
            whole: 9,
            places: vec![vec![21, 22, 23], vec![31, 32, 33], vec![41, 42, 43]],
            line: vec![10],
            lines: vec![11],
        };
        let tile = [1, 1];
        assert_eq!(frame.write(None, &tile), [8, 9, 1, 1, 8]);
        assert_eq!(
            frame.write(Some([2, 1]), &tile),
            [8, 21, 1, 1, 8, 22, 1, 1, 11, 8, 9, 1, 1, 8]
        );
        assert_eq!(
            frame.write(Some([1, 2]), &tile),
            [8, 21, 1, 1, 10, 8, 31, 1, 1, 11, 8, 9, 1, 1, 8]
        );
    }
}
