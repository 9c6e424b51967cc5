//! How InternVL 2.5 cuts pictures.

use std::iter::repeat_n;
use std::sync::Arc;

use image::RgbImage;
use serde::Deserialize;
use serde_json::Value;

use super::{
    IMAGE_TOKEN,
    config::{NATIVE, read_pictures},
    tiling::Tiling,
};
use crate::image::{Alpha, ImagePatches, MAX_PIXELS, Normalization, PatchLayout};
use crate::models::section::{bicubic_only, check_all_steps, check_statistics, image_section};
use crate::models::{ImageProcessor, PictureLimits, Shown, TokenIds, expand_each};
use crate::text::ProcessorFiles;
use crate::{dir, error::VlmError};

/// The token before a picture's features.
pub const IMAGE_START: &str = "<img>";
/// The token after a picture's features.
pub const IMAGE_END: &str = "</img>";
/// What the family's conversation template writes for a picture.
pub const IMAGE_TEXT: &str = "<img><IMG_CONTEXT></img>";

/// Largest side of a tile, in pixels, of which as many as a picture may have are no more pixels than
/// are decoded.
const MAX_TILE: usize = (MAX_PIXELS as usize / Tiling::MOST).isqrt();

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

/// The image processor's own file; its size counts only in transformers' layout.
#[derive(Default, Deserialize)]
struct RawImages {
    image_mean: Option<[f64; 3]>,
    image_std: Option<[f64; 3]>,
    rescale_factor: Option<f64>,
    resample: Option<u32>,
    do_resize: Option<bool>,
    do_rescale: Option<bool>,
    do_normalize: Option<bool>,
    size: Option<Value>,
    min_patches: Option<usize>,
    max_patches: Option<usize>,
}

impl ImageConfig {
    /// Reads `config.json`, and statistics (and tiles, in transformers' layout) from the image
    /// processor's file where there is one.
    ///
    /// # Errors
    /// A file is missing, a value has the wrong type, or one asks for what is not supported.
    pub fn from_files(files: &ProcessorFiles) -> Result<Self, VlmError> {
        let path = files.path(ProcessorFiles::CONFIG);
        files.require(ProcessorFiles::CONFIG)?;
        let model = files.object(ProcessorFiles::CONFIG)?.unwrap_or_default();
        let native = model["model_type"] == NATIVE;
        let (images_path, images) = match image_section(files)? {
            Some((path, json)) => {
                let raw = dir::fields(&json).map_err(|message| VlmError::config(&path, message))?;
                (path, raw)
            }
            None => (path.clone(), RawImages::default()),
        };
        let mut config = Self::of_model(&model).map_err(|m| VlmError::config(&path, m))?;
        config
            .read_images(&images, native)
            .map_err(|message| VlmError::config(&images_path, message))?;
        config.validate().map_err(|m| VlmError::config(&path, m))?;
        Ok(config)
    }

    fn of_model(model: &Value) -> Result<Self, String> {
        // How wide features are is nothing to pictures.
        let (top, vision) = read_pictures(model, 0)?;
        // What InternVL's code assumes when the file says nothing. Without dynamic_image_size a
        // picture is one tile.
        let dynamic = top.dynamic_image_size.unwrap_or(false);
        let limit =
            |value: Option<usize>, default| if dynamic { value.unwrap_or(default) } else { 1 };
        Ok(Self {
            tiling: Tiling {
                tile_size: vision.image_size,
                min_tiles: limit(top.min_dynamic_patch, 1),
                max_tiles: limit(top.max_dynamic_patch, 6),
                thumbnail: top.use_thumbnail.unwrap_or(false),
            },
            patch_size: vision.patch_size,
            merge_size: vision.merge_size,
            normalization: Normalization::IMAGENET,
        })
    }

    fn read_images(&mut self, raw: &RawImages, native: bool) -> Result<(), String> {
        check_all_steps([
            ("do_resize", raw.do_resize),
            ("do_rescale", raw.do_rescale),
            ("do_normalize", raw.do_normalize),
        ])?;
        bicubic_only(raw.resample)?;
        let normalization = &mut self.normalization;
        normalization.rescale = raw.rescale_factor.unwrap_or(normalization.rescale);
        normalization.mean = raw.image_mean.unwrap_or(normalization.mean);
        normalization.std = raw.image_std.unwrap_or(normalization.std);
        if !native {
            return Ok(());
        }
        // transformers' InternVL processor always tiles, one to twelve where nothing is said, and
        // always adds the thumbnail.
        self.tiling.min_tiles = raw.min_patches.unwrap_or(1);
        self.tiling.max_tiles = raw.max_patches.unwrap_or(12);
        self.tiling.thumbnail = true;
        let side = self.tiling.tile_size;
        match &raw.size {
            None => Ok(()),
            Some(size) if *size == side => Ok(()),
            Some(size) if size["height"] == side && size["width"] == side => Ok(()),
            Some(size) => Err(format!(
                "size is {size}, expected height and width {side} as in config.json"
            )),
        }
    }

    /// Whether the numbers make sense together.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let Tiling {
            tile_size,
            min_tiles,
            max_tiles,
            ..
        } = self.tiling;
        let token = self.patch_size.saturating_mul(self.merge_size);
        if token == 0 || tile_size == 0 || !tile_size.is_multiple_of(token) {
            return Err(format!(
                "the image size is {tile_size}, expected a multiple of {token} pixels, one token"
            ));
        }
        if tile_size > MAX_TILE {
            return Err(format!(
                "the image size is {tile_size}, expected at most {MAX_TILE}"
            ));
        }
        if min_tiles == 0 || min_tiles > max_tiles || max_tiles > Tiling::MOST {
            return Err(format!(
                "a picture has {min_tiles} to {max_tiles} tiles, expected 1 <= min <= max <= {}",
                Tiling::MOST
            ));
        }
        check_statistics(&self.normalization)
    }

    /// Tiles, normalises and cuts a picture.
    ///
    /// # Errors
    /// The picture is empty or too long and thin, see
    /// [`check_aspect_ratio`](crate::image::check_aspect_ratio).
    pub fn patches(&self, image: &RgbImage) -> Result<ImagePatches, VlmError> {
        self.tiling
            .patches(image, self.patch_size, &self.normalization)
    }
}

/// The picture processing of a model directory.
#[derive(Debug, Clone, PartialEq)]
pub struct Images {
    /// How a picture is tiled and cut.
    pub config: ImageConfig,
    /// The id of [`IMAGE_TOKEN`].
    pub token: u32,
    /// What becomes of transparency: the processor of transformers' layout lays it over white, the
    /// code of InternVL's own drops it.
    pub alpha: Alpha,
    /// The ids of [`IMAGE_START`] and [`IMAGE_END`], which enclose a picture's tokens; none where
    /// no tokenizer says them.
    pub frame: Option<[u32; 2]>,
}

impl Images {
    pub(super) fn read(
        files: &ProcessorFiles,
        ids: &TokenIds<'_>,
    ) -> Result<Option<Arc<dyn ImageProcessor>>, VlmError> {
        let token = ids.placeholder(IMAGE_TOKEN)?;
        let start = ids.of(IMAGE_START)?;
        let frame = start.zip(ids.of(IMAGE_END)?);
        let config = files.object(ProcessorFiles::CONFIG)?.unwrap_or_default();
        Ok(Some(Arc::new(Self {
            token,
            alpha: match config["model_type"] == NATIVE {
                true => Alpha::OverWhite,
                false => Alpha::Drop,
            },
            frame: frame.map(|(start, end)| [start, end]),
            config: ImageConfig::from_files(files)?,
        })))
    }
}

impl ImageProcessor for Images {
    fn alpha(&self) -> Alpha {
        self.alpha
    }

    fn token(&self) -> (&str, u32) {
        (IMAGE_TOKEN, self.token)
    }

    fn template_text(&self) -> &str {
        IMAGE_TEXT
    }

    fn layout(&self) -> PatchLayout {
        PatchLayout {
            patch_size: self.config.patch_size,
            merge_size: self.config.merge_size,
            temporal_patch_size: 1,
        }
    }

    fn patches(&self, image: &RgbImage) -> Result<ImagePatches, VlmError> {
        self.config.patches(image)
    }

    fn features(&self, [width, height]: [usize; 2]) -> Result<Option<usize>, VlmError> {
        let ImageConfig {
            tiling,
            patch_size,
            merge_size,
            ..
        } = self.config;
        let side = tiling.tile_size / (patch_size * merge_size);
        Ok(Some(tiling.count(width, height)? * side.pow(2)))
    }

    /// That of the tiles side by side.
    fn resized(&self, [width, height]: [usize; 2], _patches: &ImagePatches) -> [usize; 2] {
        let (columns, rows) = self.config.tiling.grid(width, height);
        [columns, rows].map(|n| n * self.config.tiling.tile_size)
    }

    /// Pictures also stand in a frame, which transformers' template leaves to the processor.
    fn expand(&self, tokens: &[u32], pictures: &[Shown<'_>]) -> Vec<u32> {
        expand_each(tokens, self.token, pictures, |shown, before| {
            let count = shown.patches.num_tokens(self.config.merge_size);
            let features = repeat_n(self.token, count);
            match self.frame.filter(|[start, _]| before != Some(*start)) {
                Some([start, end]) => [start].into_iter().chain(features).chain([end]).collect(),
                None => features.collect(),
            }
        })
    }

    fn limited(&self, limits: &PictureLimits) -> Result<Arc<dyn ImageProcessor>, String> {
        let mut images = self.clone();
        let tiling = &mut images.config.tiling;
        tiling.min_tiles = limits.min_tiles.unwrap_or(tiling.min_tiles);
        tiling.max_tiles = limits.max_tiles.unwrap_or(tiling.max_tiles);
        images.config.validate()?;
        Ok(Arc::new(images))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(model: Value, images: Value) -> Result<ImageConfig, String> {
        let mut files = ProcessorFiles::new();
        files.insert("config.json", model.to_string());
        if !images.is_null() {
            files.insert("preprocessor_config.json", images.to_string());
        }
        ImageConfig::from_files(&files).map_err(|error| error.to_string())
    }

    fn original() -> Value {
        json!({
            "model_type": "internvl_chat", "force_image_size": 448, "downsample_ratio": 0.5,
            "dynamic_image_size": true, "min_dynamic_patch": 1, "max_dynamic_patch": 12,
            "use_thumbnail": true, "pad2square": false,
            "vision_config": {"image_size": 448, "patch_size": 14},
        })
    }

    fn native() -> Value {
        json!({
            "model_type": "internvl", "downsample_ratio": 0.5,
            "vision_config": {"image_size": [448, 448], "patch_size": [14, 14]},
        })
    }

    #[test]
    fn both_layouts_are_read() {
        let clip = json!({"crop_size": 448, "size": 448, "do_center_crop": true, "resample": 3,
            "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]});
        let expected = ImageConfig {
            tiling: Tiling {
                tile_size: 448,
                min_tiles: 1,
                max_tiles: 12,
                thumbnail: true,
            },
            patch_size: 14,
            merge_size: 2,
            normalization: Normalization::IMAGENET,
        };
        assert_eq!(read(original(), clip).unwrap(), expected);
        assert_eq!(read(original(), Value::Null).unwrap(), expected);
        let got = json!({"crop_to_patches": false, "min_patches": 1, "max_patches": 12,
            "size": {"height": 448, "width": 448}, "image_std": [0.229, 0.224, 0.225]});
        assert_eq!(read(native(), got).unwrap(), expected);
    }

    #[test]
    fn without_dynamic_tiles_a_picture_is_one() {
        let mut model = original();
        model["dynamic_image_size"] = false.into();
        assert_eq!(read(model, Value::Null).unwrap().tiling.max_tiles, 1);
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let with = |key: &str, value: Value| {
            let mut model = original();
            model[key] = value;
            read(model, Value::Null).unwrap_err()
        };
        for (key, value, expected) in [
            ("pad2square", json!(true), "pad2square is true"),
            ("downsample_ratio", json!(0.3), "downsample_ratio is 0.3"),
            ("min_dynamic_patch", json!(13), "13 to 12 tiles"),
            ("max_dynamic_patch", json!(1000), "1 to 1000 tiles"),
            (
                "downsample_ratio",
                json!("0.5"),
                "downsample_ratio: invalid",
            ),
            (
                "force_image_size",
                json!(450),
                "force_image_size is 450, expected 448",
            ),
            (
                "vision_config",
                json!({"image_size": [448, 224]}),
                "vision_config.image_size is [448, 224], expected the same number twice",
            ),
            (
                "vision_config",
                json!({"image_size": "448"}),
                "vision_config.image_size: expected a whole number, or the same one twice",
            ),
        ] {
            let message = with(key, value);
            assert!(message.starts_with("config.json: "), "{message}");
            assert!(message.contains(expected), "{message}");
        }
        let mut huge = original();
        huge["force_image_size"] = json!(28 << 20);
        huge["vision_config"]["image_size"] = json!(28 << 20);
        let message = read(huge, Value::Null).unwrap_err();
        assert!(
            message.contains("the image size is 29360128, expected at most 2115"),
            "{message}"
        );
        for size in [json!({"height": 384, "width": 384}), json!(384), json!([])] {
            let message = read(native(), json!({ "size": size })).unwrap_err();
            assert!(
                message.contains("expected height and width 448"),
                "{message}"
            );
        }
        assert!(read(native(), json!({"size": 448})).is_ok());
        let message = read(original(), json!({"resample": 2})).unwrap_err();
        assert!(
            message.starts_with("preprocessor_config.json: resample"),
            "{message}"
        );
    }
}
