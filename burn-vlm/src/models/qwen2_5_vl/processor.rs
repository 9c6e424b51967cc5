//! From a conversation and its pictures to what Qwen2-VL and Qwen2.5-VL take.

use std::path::Path;
use std::sync::Arc;

use image::RgbImage;
use rayon::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use crate::error::VlmError;
use crate::image::{
    Alpha, ImagePatches, Normalization, PatchLayout, patchify, resize_bicubic, smart_resize,
};
use crate::text::{ChatTemplate, EncodedPrompt, Message, ProcessorFiles, Tokenizer};

/// The token that a picture's patches replace.
pub const IMAGE_TOKEN: &str = "<|image_pad|>";

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
    size: Option<RawSize>,
    image_mean: Option<[f64; 3]>,
    image_std: Option<[f64; 3]>,
    rescale_factor: Option<f64>,
    resample: Option<u32>,
    do_resize: Option<bool>,
    do_rescale: Option<bool>,
    do_normalize: Option<bool>,
}

/// Areas, in spite of the names that `transformers` 5 gives them.
#[derive(Deserialize)]
struct RawSize {
    #[serde(alias = "min_pixels")]
    shortest_edge: Option<usize>,
    #[serde(alias = "max_pixels")]
    longest_edge: Option<usize>,
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
        let nested = files.json("processor_config.json")?;
        let nested = nested.and_then(|json| json.get("image_processor").cloned());
        let (name, json) = match nested {
            Some(json) => ("processor_config.json", json),
            None => {
                let name = "preprocessor_config.json";
                files.require(name)?;
                (name, files.json(name)?.unwrap_or_default())
            }
        };
        Self::from_json(json).map_err(|message| VlmError::config(files.path(name), message))
    }

    fn from_json(json: Value) -> Result<Self, String> {
        let raw: RawImageConfig =
            serde_json::from_value(json).map_err(|error| error.to_string())?;
        for (key, value) in [
            ("do_resize", raw.do_resize),
            ("do_rescale", raw.do_rescale),
            ("do_normalize", raw.do_normalize),
        ] {
            if value == Some(false) {
                return Err(format!("{key} is false, only true is supported"));
            }
        }
        // Pillow's number of the bicubic filter.
        if let Some(filter) = raw.resample.filter(|&filter| filter != 3) {
            return Err(format!(
                "resample is {filter}, only 3 (bicubic) is supported"
            ));
        }
        let default = Self::default();
        let size = raw.size.unwrap_or(RawSize {
            shortest_edge: None,
            longest_edge: None,
        });
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
                .unwrap_or(default.min_pixels),
            max_pixels: raw
                .max_pixels
                .or(size.longest_edge)
                .unwrap_or(default.max_pixels),
        };
        config.validate()?;
        Ok(config)
    }

    fn validate(&self) -> Result<(), String> {
        let PatchLayout {
            patch_size,
            merge_size,
            temporal_patch_size,
        } = self.layout;
        if [patch_size, merge_size, temporal_patch_size].contains(&0) {
            return Err(format!("a size is zero in {:?}", self.layout));
        }
        if self.normalization.std.iter().any(|&std| std <= 0.0) {
            return Err(format!(
                "image_std is {:?}, expected > 0",
                self.normalization.std
            ));
        }
        // A limit below one merged token cannot be kept.
        let (min, max, token) = (
            self.min_pixels,
            self.max_pixels,
            self.layout.factor().pow(2),
        );
        if min > max || max < token {
            return Err(format!(
                "min_pixels is {min} and max_pixels {max}, expected min_pixels <= max_pixels and max_pixels >= {token}"
            ));
        }
        Ok(())
    }

    /// Resizes, normalises and cuts a picture.
    ///
    /// # Errors
    /// The picture is empty or too long and thin, see [`smart_resize()`].
    pub fn patches(&self, image: &RgbImage) -> Result<ImagePatches, VlmError> {
        let (height, width) = (image.height() as usize, image.width() as usize);
        let (min, max) = (self.min_pixels, self.max_pixels);
        let (height, width) = smart_resize(height, width, self.layout.factor(), min, max)?;
        let resized = resize_bicubic(image, width as u32, height as u32);
        patchify(&resized, &self.layout, &self.normalization)
    }
}

/// Tokenizer, chat template and image settings of one model directory.
#[derive(Debug, Clone)]
pub struct Processor {
    files: ProcessorFiles,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    images: ImageConfig,
    image_token: u32,
}

impl Processor {
    /// How pictures for this processor are to be decoded.
    pub const ALPHA: Alpha = Alpha::OverWhite;

    /// Reads a model directory: `tokenizer.json`, a chat template (see
    /// [`ChatTemplate::from_files`]) and the image settings (see [`ImageConfig::from_files`]).
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
        let path = files.path("tokenizer.json");
        let tokenizer = Tokenizer::from_bytes(files.require("tokenizer.json")?)
            .map_err(|error| VlmError::config(&path, error.to_string()))?;
        let missing = || VlmError::config(&path, format!("the token {IMAGE_TOKEN} is missing"));
        let image_token = tokenizer.token_id(IMAGE_TOKEN).ok_or_else(missing)?;
        let template = ChatTemplate::from_files(&files)?;
        let images = ImageConfig::from_files(&files)?;
        Ok(Self {
            files,
            tokenizer,
            template,
            images,
            image_token,
        })
    }

    /// The same processor with another chat template, which is then saved with it.
    ///
    /// # Errors
    /// `source` is no valid template.
    pub fn with_chat_template(mut self, source: &str) -> Result<Self, VlmError> {
        self.files.insert("chat_template.jinja", source);
        self.template = ChatTemplate::from_files(&self.files)?;
        Ok(self)
    }

    /// The same processor with other limits on a resized picture's area, in pixels. They hold for
    /// this value only: [`save_to_dir`](Self::save_to_dir) writes the model's own.
    ///
    /// # Errors
    /// The limits contradict each other or leave no room for one token.
    pub fn with_pixel_limits(
        mut self,
        min_pixels: usize,
        max_pixels: usize,
    ) -> Result<Self, VlmError> {
        self.images = ImageConfig {
            min_pixels,
            max_pixels,
            ..self.images
        };
        self.images.validate().map_err(VlmError::Request)?;
        Ok(self)
    }

    /// Renders and tokenises a conversation, cuts its pictures and gives each as many
    /// [`IMAGE_TOKEN`]s as it has merged patches.
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
        let shown: usize = messages.iter().map(Message::image_count).sum();
        if shown != images.len() {
            return Err(VlmError::Text(format!(
                "the conversation shows {shown} images, but {} were given",
                images.len()
            )));
        }
        let tokens = self
            .template
            .encode(&self.tokenizer, messages, add_generation_prompt)?;
        let places = tokens
            .iter()
            .filter(|&&token| token == self.image_token)
            .count();
        if places != images.len() {
            return Err(VlmError::Text(format!(
                "the chat template wrote {places} {IMAGE_TOKEN} for {} images",
                images.len()
            )));
        }
        let patches = |(i, image): (usize, &RgbImage)| match self.images.patches(image) {
            Ok(patches) => Ok(Arc::new(patches)),
            Err(VlmError::Image { name, message }) => {
                let name = format!("{} of {} ({name})", i + 1, images.len());
                Err(VlmError::Image { name, message })
            }
            Err(other) => Err(other),
        };
        let images: Vec<_> = images
            .par_iter()
            .enumerate()
            .map(patches)
            .collect::<Result<_, _>>()?;
        Ok(EncodedPrompt {
            tokens: self.expand(&tokens, &images),
            images,
        })
    }

    /// Repeats each placeholder as often as its picture has merged patches.
    fn expand(&self, tokens: &[u32], images: &[Arc<ImagePatches>]) -> Vec<u32> {
        let merge = self.images.layout.merge_size;
        let mut counts = images.iter().map(|image| image.num_tokens(merge));
        let mut expanded = Vec::with_capacity(tokens.len());
        for &token in tokens {
            let count = if token == self.image_token {
                counts.next().unwrap_or(1)
            } else {
                1
            };
            expanded.extend(std::iter::repeat_n(token, count));
        }
        expanded
    }

    /// The text of `tokens`. See [`Tokenizer::decode`].
    ///
    /// # Errors
    /// The tokenizer's decoder fails.
    pub fn decode(&self, tokens: &[u32], skip_special: bool) -> Result<String, VlmError> {
        self.tokenizer.decode(tokens, skip_special)
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The chat template.
    pub fn chat_template(&self) -> &ChatTemplate {
        &self.template
    }

    /// The image settings.
    pub fn image_config(&self) -> &ImageConfig {
        &self.images
    }

    /// The id of [`IMAGE_TOKEN`].
    pub fn image_token_id(&self) -> u32 {
        self.image_token
    }

    /// Writes the files into `dir` exactly as they were read.
    ///
    /// # Errors
    /// The directory or a file cannot be written.
    pub fn save_to_dir(&self, dir: &Path) -> Result<(), VlmError> {
        self.files.write_dir(dir)
    }
}

#[cfg(test)]
#[path = "processor_tests.rs"]
mod tests;
