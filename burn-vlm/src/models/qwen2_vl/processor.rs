//! How Qwen2-VL and Qwen2.5-VL cut pictures.

use std::sync::Arc;

use image::RgbImage;
use serde::Deserialize;
use serde_json::Value;

use crate::image::{
    Alpha, ImagePatches, MAX_PIXELS, Normalization, PatchLayout, patchify, resize_bicubic,
    smart_resize,
};
use crate::models::check::check_size;
use crate::models::section::{bicubic_only, check_all_steps, check_statistics, image_section};
use crate::models::{ImageProcessor, PictureLimits, TokenIds};
use crate::text::ProcessorFiles;
use crate::{dir, error::VlmError};

/// The token that a picture's patches replace.
pub const IMAGE_TOKEN: &str = "<|image_pad|>";
/// What the family's chat templates write for a picture.
pub const IMAGE_TEXT: &str = "<|vision_start|><|image_pad|><|vision_end|>";

/// Largest number of pixels, patches and frames along a side: beyond those of any model.
pub(super) const MAX_SIDE: usize = 1024;

/// How pictures become patches: the contents of `preprocessor_config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageConfig {
    /// Patch, merge and frame sizes.
    pub layout: PatchLayout,
    /// The tower's statistics.
    pub normalization: Normalization,
    /// The smallest area after resizing, in pixels.
    pub min_pixels: usize,
    /// The largest area after resizing, in pixels.
    pub max_pixels: usize,
}

impl Default for ImageConfig {
    /// What `transformers` assumes when a file says nothing.
    fn default() -> Self {
        Self {
            layout: PatchLayout {
                patch_size: 14,
                merge_size: 2,
                temporal_patch_size: 2,
            },
            normalization: Normalization::CLIP,
            min_pixels: 56 * 56,
            max_pixels: 28 * 28 * 1280,
        }
    }
}

/// The keys of the file. Others, such as names of classes, do not concern the numbers.
#[derive(Deserialize)]
struct RawImageConfig {
    patch_size: Option<usize>,
    merge_size: Option<usize>,
    temporal_patch_size: Option<usize>,
    min_pixels: Option<usize>,
    max_pixels: Option<usize>,
    size: Option<Value>,
    image_mean: Option<[f64; 3]>,
    image_std: Option<[f64; 3]>,
    rescale_factor: Option<f64>,
    resample: Option<u32>,
    do_resize: Option<bool>,
    do_rescale: Option<bool>,
    do_normalize: Option<bool>,
}

/// Areas, in spite of the names that `transformers` 5 gives them.
#[derive(Default, Deserialize)]
struct RawSize {
    shortest_edge: Option<usize>,
    longest_edge: Option<usize>,
    // What older files call the same; the newer names count.
    min_pixels: Option<usize>,
    max_pixels: Option<usize>,
}

impl ImageConfig {
    /// Reads `image_processor` of `processor_config.json`, else `preprocessor_config.json`.
    ///
    /// Limits may be given as `min_pixels` and `max_pixels`, which count first, or as `size` with
    /// `shortest_edge` and `longest_edge`.
    ///
    /// # Errors
    /// Neither is there, a value has the wrong type, or one asks for what is not supported.
    pub fn from_files(files: &ProcessorFiles) -> Result<Self, VlmError> {
        match image_section(files)? {
            Some((path, json)) => {
                Self::from_json(json).map_err(|message| VlmError::config(path, message))
            }
            None => Err(files.missing("preprocessor_config.json")),
        }
    }

    pub(crate) fn from_json(json: Value) -> Result<Self, String> {
        let raw: RawImageConfig = dir::fields(&json)?;
        check_all_steps([
            ("do_resize", raw.do_resize),
            ("do_rescale", raw.do_rescale),
            ("do_normalize", raw.do_normalize),
        ])?;
        bicubic_only(raw.resample)?;
        let default = Self::default();
        let size: RawSize = match raw.size {
            Some(size) => dir::fields(&size).map_err(|message| format!("size: {message}"))?,
            None => RawSize::default(),
        };
        let config = Self {
            layout: PatchLayout {
                patch_size: raw.patch_size.unwrap_or(default.layout.patch_size),
                merge_size: raw.merge_size.unwrap_or(default.layout.merge_size),
                temporal_patch_size: raw
                    .temporal_patch_size
                    .unwrap_or(default.layout.temporal_patch_size),
            },
            normalization: Normalization {
                rescale: raw.rescale_factor.unwrap_or(default.normalization.rescale),
                mean: raw.image_mean.unwrap_or(default.normalization.mean),
                std: raw.image_std.unwrap_or(default.normalization.std),
            },
            min_pixels: raw
                .min_pixels
                .or(size.shortest_edge)
                .or(size.min_pixels)
                .unwrap_or(default.min_pixels),
            max_pixels: raw
                .max_pixels
                .or(size.longest_edge)
                .or(size.max_pixels)
                .unwrap_or(default.max_pixels),
        };
        config.validate()?;
        Ok(config)
    }

    pub(crate) fn validate(&self) -> Result<(), String> {
        let PatchLayout {
            patch_size,
            merge_size,
            temporal_patch_size,
        } = self.layout;
        for (key, size) in [
            ("patch_size", patch_size),
            ("merge_size", merge_size),
            ("temporal_patch_size", temporal_patch_size),
        ] {
            check_size(key, size, MAX_SIDE)?;
        }
        check_statistics(&self.normalization)?;
        // A limit below one merged token cannot be kept; what is larger than any picture that is
        // decoded is no picture.
        let (min, max, token) = (
            self.min_pixels,
            self.max_pixels,
            self.layout.factor().pow(2),
        );
        if min > max || max < token || min as u64 > MAX_PIXELS {
            return Err(format!(
                "min_pixels is {min} and max_pixels {max}, expected min_pixels <= max_pixels, \
                 min_pixels <= {MAX_PIXELS} and max_pixels >= {token}"
            ));
        }
        Ok(())
    }

    /// Width and height of a picture of `size` once it is resized.
    fn resized(&self, [width, height]: [usize; 2]) -> Result<(usize, usize), VlmError> {
        let (min, max) = (self.min_pixels, self.max_pixels);
        let (height, width) = smart_resize(height, width, self.layout.factor(), min, max)?;
        Ok((width, height))
    }

    /// Resizes, normalises and cuts a picture.
    ///
    /// # Errors
    /// The picture is empty or too long and thin, see [`smart_resize()`].
    pub fn patches(&self, image: &RgbImage) -> Result<ImagePatches, VlmError> {
        let (width, height) = self.resized([image.width() as usize, image.height() as usize])?;
        let resized = resize_bicubic(image, width as u32, height as u32);
        patchify(&resized, &self.layout, &self.normalization)
    }
}

/// The picture processing of a model directory.
#[derive(Debug, Clone, PartialEq)]
pub struct Images {
    /// How a picture is resized and cut.
    pub config: ImageConfig,
    /// The id of [`IMAGE_TOKEN`].
    pub token: u32,
}

impl Images {
    /// Reads the image processor's file and the id of its token.
    pub(in crate::models) fn read(
        files: &ProcessorFiles,
        ids: &TokenIds<'_>,
    ) -> Result<Option<Arc<dyn ImageProcessor>>, VlmError> {
        Ok(Some(Arc::new(Self {
            token: ids.placeholder(IMAGE_TOKEN)?,
            config: ImageConfig::from_files(files)?,
        })))
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
        IMAGE_TEXT
    }

    fn layout(&self) -> PatchLayout {
        self.config.layout
    }

    fn patches(&self, image: &RgbImage) -> Result<ImagePatches, VlmError> {
        self.config.patches(image)
    }

    fn features(&self, size: [usize; 2]) -> Result<Option<usize>, VlmError> {
        let (width, height) = self.config.resized(size)?;
        Ok(Some(width * height / self.config.layout.factor().pow(2)))
    }

    fn limited(&self, limits: &PictureLimits) -> Result<Arc<dyn ImageProcessor>, String> {
        let mut images = self.clone();
        let config = &mut images.config;
        config.min_pixels = limits.min_pixels.unwrap_or(config.min_pixels);
        config.max_pixels = limits.max_pixels.unwrap_or(config.max_pixels);
        config.validate()?;
        Ok(Arc::new(images))
    }
}
