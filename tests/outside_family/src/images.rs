//! Every picture becomes 16 × 16 pixels, in patches of 4 × 4.

use burn_vlm::{
    VlmError,
    image::{Alpha, ImagePatches, Normalization, PatchLayout, patchify, resize_bicubic},
    models::{ImageProcessor, PictureLimits, TokenIds},
};
use image::RgbImage;
use std::sync::Arc;

/// Side of a picture in pixels.
pub(crate) const SIDE: usize = 16;

/// How it is cut.
pub(crate) const LAYOUT: PatchLayout = PatchLayout {
    patch_size: 4,
    merge_size: 2,
    temporal_patch_size: 1,
};

/// What stands for a picture in a text.
const PLACEHOLDER: &str = "<|image_pad|>";

/// The picture processing, with the id of the placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    token: u32,
}

impl Images {
    /// Finds the placeholder among the tokens.
    ///
    /// # Errors
    /// It is not there.
    pub fn read(ids: &TokenIds<'_>) -> Result<Self, VlmError> {
        let token = ids.placeholder(PLACEHOLDER)?;
        Ok(Self { token })
    }
}

impl ImageProcessor for Images {
    fn alpha(&self) -> Alpha {
        Alpha::Drop
    }

    fn token(&self) -> (&str, u32) {
        (PLACEHOLDER, self.token)
    }

    fn template_text(&self) -> &str {
        PLACEHOLDER
    }

    fn layout(&self) -> PatchLayout {
        LAYOUT
    }

    fn patches(&self, image: &RgbImage) -> Result<ImagePatches, VlmError> {
        let image = resize_bicubic(image, SIDE as u32, SIDE as u32);
        patchify(&image, &LAYOUT, &Normalization::CLIP)
    }

    fn limited(&self, _: &PictureLimits) -> Result<Arc<dyn ImageProcessor>, String> {
        Ok(Arc::new(self.clone()))
    }
}
