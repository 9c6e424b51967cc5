//! A model's picture processing, or that it reads text only.

use std::path::Path;
use std::sync::Arc;

use image::RgbImage;

use crate::error::VlmError;
use crate::image::{Decoding, ImagePatches};
use crate::models::{Families, ImageProcessor, ModelFamily, Shown, TokenIds, VisionConfig};
use crate::text::{ProcessorFiles, Tokenizer};

/// The picture processing of a model directory, if its model reads pictures.
#[derive(Debug, Clone)]
pub struct Pictures(Option<Arc<dyn ImageProcessor>>);

impl Pictures {
    /// Of a model that reads text only.
    pub const NONE: Self = Self(None);

    /// Reads the settings of a model directory without a tokenizer, enough for prompts that are
    /// tokens already.
    ///
    /// # Errors
    /// A file is missing or wrong, or `config.json` has no id of the image token, which only a
    /// tokenizer could tell then.
    pub fn from_dir(dir: &Path, families: &Families) -> Result<Self, VlmError> {
        let files = ProcessorFiles::read_dir(dir)?;
        let family = family_of(&files, families)?;
        Self::read(&files, &*family, None, families)
    }

    /// Reads the settings of a model directory of `family`.
    pub(super) fn read(
        files: &ProcessorFiles,
        family: &dyn ModelFamily,
        tokenizer: Option<&Tokenizer>,
        families: &Families,
    ) -> Result<Self, VlmError> {
        let declared = || {
            let path = files.path(ProcessorFiles::CONFIG);
            let bytes = files.require(ProcessorFiles::CONFIG)?;
            Ok(families.read_slice(bytes, &path)?.image_token_id)
        };
        let ids = TokenIds::new(files, tokenizer, &declared);
        family.image_processor(files, &ids).map(Self)
    }

    /// What its family reads pictures with; none where the model reads text only.
    pub fn processor(&self) -> Option<&dyn ImageProcessor> {
        self.0.as_deref()
    }

    /// How pictures are to be decoded.
    pub fn decoding(&self) -> Decoding {
        let alpha = self.processor().map(|own| own.alpha());
        alpha.unwrap_or_default().into()
    }

    /// The token that an image feature replaces, with its id.
    pub fn token(&self) -> Option<(&str, u32)> {
        self.processor().map(|own| own.token())
    }

    /// What a chat template writes for a picture.
    pub(super) fn template_text(&self) -> &str {
        self.processor().map_or("", |own| own.template_text())
    }

    /// Resizes, normalises and cuts one picture.
    ///
    /// # Errors
    /// The picture cannot be used, or the model reads text only.
    pub fn patches(&self, image: &RgbImage) -> Result<ImagePatches, VlmError> {
        self.processor().ok_or_else(text_only)?.patches(image)
    }

    /// The fewest features of a picture whose file stores one of `size`, width and height in pixels:
    /// it may be turned when it is read. None where only its pixels say how many.
    pub(super) fn fewest_features(&self, size: [usize; 2]) -> Result<Option<usize>, VlmError> {
        let Some(own) = self.processor() else {
            return Ok(None);
        };
        let [width, height] = size;
        let (stored, turned) = (own.features(size)?, own.features([height, width])?);
        Ok(stored
            .zip(turned)
            .map(|(stored, turned)| stored.min(turned)))
    }

    /// Whether the template wrote one placeholder a picture.
    pub(super) fn check_placeholders(&self, tokens: &[u32], images: usize) -> Result<(), VlmError> {
        let Some((name, id)) = self.token() else {
            return match images {
                0 => Ok(()),
                _ => Err(text_only()),
            };
        };
        let found = tokens.iter().filter(|token| **token == id).count();
        match found == images {
            true => Ok(()),
            false => Err(VlmError::Text(format!(
                "the chat template wrote {found} {name} for {images} images"
            ))),
        }
    }

    /// Repeats each placeholder as often as its picture has features.
    pub(super) fn expand(&self, tokens: &[u32], pictures: &[Shown<'_>]) -> Vec<u32> {
        match self.processor() {
            Some(own) => own.expand(tokens, pictures),
            None => tokens.to_vec(),
        }
    }

    /// The same with other picture processing.
    pub(super) fn set(&mut self, own: Arc<dyn ImageProcessor>) {
        self.0 = Some(own);
    }

    /// Whether the tower reads what is cut here.
    ///
    /// # Errors
    /// What differs, with both values.
    pub fn check_fit(&self, vision: Option<&dyn VisionConfig>) -> Result<(), String> {
        let (own, sizes) = match (self.processor(), vision.map(VisionConfig::sizes)) {
            (None, None) => return Ok(()),
            (Some(_), None) => {
                return Err(
                    "the processor reads pictures, expected a model with a vision tower".into(),
                );
            }
            (None, Some(_)) => {
                return Err("the processor reads text only, but the model pictures".into());
            }
            (Some(own), Some(sizes)) => (own, sizes),
        };
        let layout = own.layout();
        let pairs = [
            ("patch_size", layout.patch_size, sizes.patch_size),
            ("merge_size", layout.merge_size, sizes.merge_size),
            (
                "temporal_patch_size",
                layout.temporal_patch_size,
                sizes.temporal_patch_size,
            ),
        ];
        match pairs
            .into_iter()
            .find(|(_, found, expected)| found != expected)
        {
            None => Ok(()),
            Some((name, found, expected)) => Err(format!(
                "the processor's {name} is {found}, expected {expected} as in config.json"
            )),
        }
    }
}

/// The family that `config.json` names; without one, the family that is assumed then.
pub(super) fn family_of(
    files: &ProcessorFiles,
    families: &Families,
) -> Result<Arc<dyn ModelFamily>, VlmError> {
    let Some(config) = files.object(ProcessorFiles::CONFIG)? else {
        let assumed = families.iter().find(|family| family.is_assumed());
        let missing = || files.missing(ProcessorFiles::CONFIG);
        return assumed.cloned().ok_or_else(missing);
    };
    let family = families
        .of(&config)
        .map_err(|m| VlmError::config(files.path(ProcessorFiles::CONFIG), m))?;
    Ok(family.clone())
}

fn text_only() -> VlmError {
    VlmError::Request("the model reads text only, expected no images".into())
}
