//! From a conversation and its pictures to what a model takes: every family's processor behind one
//! face.

use crate::{
    error::VlmError,
    image::{Alpha, ImagePatches},
    models::{ModelConfig, qwen2_5_vl},
    text::{ChatTemplate, EncodedPrompt, Message, ProcessorFiles, Tokenizer},
};
use image::RgbImage;
use std::path::Path;

/// Tokenizer, chat template and picture processing of one model directory.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Processor {
    /// Of Qwen2-VL and Qwen2.5-VL.
    Qwen(Box<qwen2_5_vl::Processor>),
}

impl Processor {
    /// Reads a model directory.
    ///
    /// # Errors
    /// A file is missing or wrong; the message names it.
    pub fn from_dir(dir: &Path) -> Result<Self, VlmError> {
        Self::from_files(ProcessorFiles::read_dir(dir)?)
    }

    /// The same from files held in memory.
    ///
    /// # Errors
    /// As [`from_dir`](Self::from_dir).
    pub fn from_files(files: ProcessorFiles) -> Result<Self, VlmError> {
        let processor = qwen2_5_vl::Processor::from_files(files)?;
        Ok(Self::Qwen(Box::new(processor)))
    }

    /// How pictures for this processor are to be decoded.
    pub fn alpha(&self) -> Alpha {
        match self {
            Self::Qwen(_) => qwen2_5_vl::Processor::ALPHA,
        }
    }

    /// Renders and tokenises a conversation, and cuts its pictures.
    ///
    /// # Errors
    /// The conversation shows another number of images than `images` holds, the template refuses
    /// it, or a picture cannot be used; the message says which.
    pub fn encode(
        &self,
        messages: &[Message],
        images: &[RgbImage],
        add_generation_prompt: bool,
    ) -> Result<EncodedPrompt, VlmError> {
        match self {
            Self::Qwen(p) => p.encode(messages, images, add_generation_prompt),
        }
    }

    /// Resizes, normalises and cuts one picture.
    ///
    /// # Errors
    /// The picture cannot be used.
    pub fn patches(&self, image: &RgbImage) -> Result<ImagePatches, VlmError> {
        match self {
            Self::Qwen(p) => p.image_config().patches(image),
        }
    }

    /// The text of `tokens`. See [`Tokenizer::decode`].
    ///
    /// # Errors
    /// The tokenizer's decoder fails.
    pub fn decode(&self, tokens: &[u32], skip_special: bool) -> Result<String, VlmError> {
        self.tokenizer().decode(tokens, skip_special)
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        match self {
            Self::Qwen(p) => p.tokenizer(),
        }
    }

    /// The chat template.
    pub fn chat_template(&self) -> &ChatTemplate {
        match self {
            Self::Qwen(p) => p.chat_template(),
        }
    }

    /// The token that an image feature replaces, with its id.
    pub fn image_token(&self) -> Option<(&'static str, u32)> {
        match self {
            Self::Qwen(p) => Some((qwen2_5_vl::processor::IMAGE_TOKEN, p.image_token_id())),
        }
    }

    /// Whether processor and model speak of the same tokens and patches.
    ///
    /// # Errors
    /// What differs, with both values.
    pub fn check_fit(&self, config: &ModelConfig) -> Result<(), String> {
        let (tokens, rows) = (self.tokenizer().vocab_size(), config.text.vocab_size);
        if tokens > rows {
            return Err(format!(
                "the tokenizer has {tokens} tokens, expected at most vocab_size, which is {rows}"
            ));
        }
        let equal = |what: String, found: usize, expected: usize| match found == expected {
            true => Ok(()),
            false => Err(format!(
                "{what} is {found}, expected {expected} as in config.json"
            )),
        };
        if let (Some((name, found)), Some(expected)) = (self.image_token(), config.image_token_id) {
            equal(
                format!("the id of {name}"),
                found as usize,
                expected as usize,
            )?;
        }
        match (self, &config.vision) {
            (Self::Qwen(processor), Some(vision)) => {
                let (layout, sizes) = (processor.image_config().layout, vision.sizes());
                let pairs = [
                    ("patch_size", layout.patch_size, sizes.patch_size),
                    ("merge_size", layout.merge_size, sizes.merge_size),
                    (
                        "temporal_patch_size",
                        layout.temporal_patch_size,
                        sizes.temporal_patch_size,
                    ),
                ];
                pairs.into_iter().try_for_each(|(name, found, expected)| {
                    equal(format!("the processor's {name}"), found, expected)
                })
            }
            (Self::Qwen(_), None) => {
                Err("the processor reads pictures, expected a model with a vision tower".into())
            }
        }
    }

    /// Writes the files into `dir` exactly as they were read.
    ///
    /// # Errors
    /// The directory or a file cannot be written.
    pub fn save_to_dir(&self, dir: &Path) -> Result<(), VlmError> {
        match self {
            Self::Qwen(p) => p.save_to_dir(dir),
        }
    }
}
