//! What differs between the families in how pictures become patches and tokens.

use std::iter::repeat_n;
use std::path::Path;
use std::sync::Arc;

use image::RgbImage;

use crate::error::VlmError;
use crate::image::{Alpha, Decoding, ImagePatches};
use crate::models::{Family, ModelConfig, VisionConfig, internvl, qwen2_vl};
use crate::text::{ProcessorFiles, Tokenizer};

/// The picture processing of a family, with the ids of its image tokens.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Pictures {
    /// The model reads text only.
    None,
    /// Of Qwen2-VL and Qwen2.5-VL.
    Qwen {
        /// How a picture is resized and cut.
        config: qwen2_vl::processor::ImageConfig,
        /// The id of [`IMAGE_TOKEN`](qwen2_vl::processor::IMAGE_TOKEN).
        token: u32,
    },
    /// Of InternVL.
    InternVl {
        /// How a picture is tiled and cut.
        config: internvl::processor::ImageConfig,
        /// The id of [`IMAGE_TOKEN`](internvl::IMAGE_TOKEN).
        token: u32,
        /// What becomes of transparency: transformers' processor lays it over white, InternVL's own
        /// code drops it.
        alpha: Alpha,
        /// The ids of [`IMAGE_START`](internvl::processor::IMAGE_START) and
        /// [`IMAGE_END`](internvl::processor::IMAGE_END), which enclose a picture's tokens; none
        /// where no tokenizer says them.
        frame: Option<[u32; 2]>,
    },
}

impl Pictures {
    /// Reads the settings of a model directory without a tokenizer, enough for prompts that are
    /// tokens already.
    ///
    /// # Errors
    /// A file is missing or wrong, or `config.json` has no id of the image token, which only a
    /// tokenizer could tell then.
    pub fn from_dir(dir: &Path) -> Result<Self, VlmError> {
        Self::read(&ProcessorFiles::read_dir(dir)?, None)
    }

    /// Reads the settings of the family that `config.json` names.
    pub(super) fn from_files(
        files: &ProcessorFiles,
        tokenizer: &Tokenizer,
    ) -> Result<Self, VlmError> {
        Self::read(files, Some(tokenizer))
    }

    fn read(files: &ProcessorFiles, tokenizer: Option<&Tokenizer>) -> Result<Self, VlmError> {
        let of_text = |tokenizer: &Tokenizer, token: &str| {
            let missing = || {
                let path = files.path("tokenizer.json");
                VlmError::config(path, format!("the token {token} is missing"))
            };
            tokenizer.token_id(token).ok_or_else(missing)
        };
        let id = |token: &str| match tokenizer {
            Some(tokenizer) => of_text(tokenizer, token),
            None => {
                let path = files.path(ProcessorFiles::CONFIG);
                let config =
                    ModelConfig::from_slice(files.require(ProcessorFiles::CONFIG)?, &path)?;
                let message = format!("no id of {token} here, expected a tokenizer.json beside it");
                let missing = || VlmError::config(path, message);
                config.image_token_id.ok_or_else(missing)
            }
        };
        let family = match files.json(ProcessorFiles::CONFIG)? {
            None => Family::Qwen2Vl,
            Some(config) => Family::of(&config)
                .map_err(|m| VlmError::config(files.path(ProcessorFiles::CONFIG), m))?,
        };
        match family {
            Family::Qwen2Vl | Family::Qwen2_5Vl => Ok(Self::Qwen {
                token: id(qwen2_vl::processor::IMAGE_TOKEN)?,
                config: qwen2_vl::processor::ImageConfig::from_files(files)?,
            }),
            Family::InternVlChat | Family::InternVl => Ok(Self::InternVl {
                token: id(internvl::IMAGE_TOKEN)?,
                alpha: match family {
                    Family::InternVl => Alpha::OverWhite,
                    _ => Alpha::Drop,
                },
                frame: match tokenizer {
                    None => None,
                    Some(tokenizer) => Some([
                        of_text(tokenizer, internvl::processor::IMAGE_START)?,
                        of_text(tokenizer, internvl::processor::IMAGE_END)?,
                    ]),
                },
                config: internvl::processor::ImageConfig::from_files(files)?,
            }),
            Family::Qwen2 | Family::Llama | Family::InternLm2 => Ok(Self::None),
        }
    }

    /// How pictures are to be decoded.
    pub fn decoding(&self) -> Decoding {
        let alpha = match self {
            Self::Qwen { .. } | Self::None => Alpha::OverWhite,
            Self::InternVl { alpha, .. } => *alpha,
        };
        alpha.into()
    }

    /// The token that an image feature replaces, with its id.
    pub fn token(&self) -> Option<(&'static str, u32)> {
        match self {
            Self::None => None,
            Self::Qwen { token, .. } => Some((qwen2_vl::processor::IMAGE_TOKEN, *token)),
            Self::InternVl { token, .. } => Some((internvl::IMAGE_TOKEN, *token)),
        }
    }

    /// What a chat template writes for a picture.
    pub(super) fn template_text(&self) -> &'static str {
        match self {
            Self::None => "",
            Self::Qwen { .. } => qwen2_vl::processor::IMAGE_TEXT,
            Self::InternVl { .. } => internvl::processor::IMAGE_TEXT,
        }
    }

    /// Resizes, normalises and cuts one picture.
    ///
    /// # Errors
    /// The picture cannot be used, or the model reads text only.
    pub fn patches(&self, image: &RgbImage) -> Result<ImagePatches, VlmError> {
        match self {
            Self::None => Err(text_only()),
            Self::Qwen { config, .. } => config.patches(image),
            Self::InternVl { config, .. } => config.patches(image),
        }
    }

    /// Whether the template wrote one placeholder a picture.
    pub(super) fn check_places(&self, tokens: &[u32], images: usize) -> Result<(), VlmError> {
        let Some((name, id)) = self.token() else {
            return match images {
                0 => Ok(()),
                _ => Err(text_only()),
            };
        };
        let places = tokens.iter().filter(|token| **token == id).count();
        match places == images {
            true => Ok(()),
            false => Err(VlmError::Text(format!(
                "the chat template wrote {places} {name} for {images} images"
            ))),
        }
    }

    /// Repeats each placeholder as often as its picture has features. InternVL's pictures also
    /// stand in a frame, which transformers' template leaves to the processor.
    pub(super) fn expand(&self, tokens: &[u32], images: &[Arc<ImagePatches>]) -> Vec<u32> {
        let (placeholder, merge, frame) = match self {
            Self::None => return tokens.to_vec(),
            Self::Qwen { config, token } => (*token, config.layout.merge_size, None),
            Self::InternVl {
                config,
                token,
                frame,
                ..
            } => (*token, config.merge_size, *frame),
        };
        let mut counts = images.iter().map(|image| image.num_tokens(merge));
        let mut expanded = Vec::with_capacity(tokens.len());
        for (i, &token) in tokens.iter().enumerate() {
            if token != placeholder {
                expanded.push(token);
                continue;
            }
            let before = i.checked_sub(1).map(|before| tokens[before]);
            let frame = frame.filter(|[start, _]| before != Some(*start));
            expanded.extend(frame.map(|[start, _]| start));
            expanded.extend(repeat_n(token, counts.next().unwrap_or(1)));
            expanded.extend(frame.map(|[_, end]| end));
        }
        expanded
    }

    /// Whether the tower reads what is cut here.
    ///
    /// # Errors
    /// What differs, with both values.
    pub fn check_fit(&self, vision: Option<&VisionConfig>) -> Result<(), String> {
        let Some(sizes) = vision.map(VisionConfig::sizes) else {
            return match self {
                Self::None => Ok(()),
                _ => {
                    Err("the processor reads pictures, expected a model with a vision tower".into())
                }
            };
        };
        let (patch, merge, frames) = match self {
            Self::None => {
                return Err("the processor reads text only, but the model pictures".into());
            }
            Self::Qwen { config, .. } => {
                let layout = config.layout;
                let frames = layout.temporal_patch_size;
                (layout.patch_size, layout.merge_size, frames)
            }
            Self::InternVl { config, .. } => (config.patch_size, config.merge_size, 1),
        };
        let pairs = [
            ("patch_size", patch, sizes.patch_size),
            ("merge_size", merge, sizes.merge_size),
            ("temporal_patch_size", frames, sizes.temporal_patch_size),
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

fn text_only() -> VlmError {
    VlmError::Request("the model reads text only, expected no images".into())
}
