//! From a conversation and its pictures to what a model takes: every family's processor behind one
//! face.

use crate::{
    error::VlmError,
    image::{Decoding, ImagePatches},
    models::ModelConfig,
    text::{ChatTemplate, EncodedPrompt, Message, ProcessorFiles, Tokenizer},
};
use image::RgbImage;
use rayon::prelude::*;
use std::{path::Path, sync::Arc};

mod options;
mod pictures;

pub use options::ProcessorOptions;
pub use pictures::Pictures;

/// Tokenizer, chat template and picture processing of one model directory.
#[derive(Debug, Clone)]
pub struct Processor {
    files: ProcessorFiles,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    pictures: Pictures,
    blank_image: bool,
    stored_orientation: bool,
}

impl Processor {
    /// Reads a model directory: `config.json`, `tokenizer.json`, a chat template (see
    /// [`ChatTemplate::from_files`]) and the image settings.
    ///
    /// # Errors
    /// A file is missing or wrong; the message names it.
    pub fn from_dir(dir: &Path) -> Result<Self, VlmError> {
        Self::from_files(ProcessorFiles::read_dir(dir)?)
    }

    /// The same from files held in memory. Without a `config.json` they are a Qwen2-VL's.
    ///
    /// A model in InternVL's original layout renders conversations with the template that its
    /// `config.json` names, unless the directory has a template file: that of its tokenizer knows
    /// nothing of pictures.
    ///
    /// # Errors
    /// As [`from_dir`](Self::from_dir).
    pub fn from_files(files: ProcessorFiles) -> Result<Self, VlmError> {
        let tokenizer = Tokenizer::from_files(&files)?;
        let pictures = Pictures::from_files(&files, &tokenizer)?;
        let template = template(&files, &pictures, &tokenizer)?;
        Ok(Self {
            files,
            tokenizer,
            template,
            pictures,
            blank_image: false,
            stored_orientation: false,
        })
    }

    /// The same processor with another chat template, which is then saved with it, in the place of
    /// every other.
    ///
    /// # Errors
    /// `source` is no valid template.
    pub fn with_chat_template(mut self, source: &str) -> Result<Self, VlmError> {
        self.files.set_chat_template(source)?;
        self.template = ChatTemplate::from_files(&self.files)?;
        Ok(self)
    }

    /// How pictures for this processor are to be decoded.
    pub fn decoding(&self) -> Decoding {
        Decoding {
            upright: !self.stored_orientation,
            ..self.pictures.decoding()
        }
    }

    /// Renders and tokenises a conversation, cuts its pictures and gives each as many image tokens
    /// as it has features.
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
        if shown == 0 && self.blank_image {
            let (messages, blank) = options::with_blank_image(messages)?;
            return self.encode_shown(&messages, &[blank], add_generation_prompt);
        }
        self.encode_shown(messages, images, add_generation_prompt)
    }

    fn encode_shown(
        &self,
        messages: &[Message],
        images: &[RgbImage],
        add_generation_prompt: bool,
    ) -> Result<EncodedPrompt, VlmError> {
        let tokens = self
            .template
            .encode(&self.tokenizer, messages, add_generation_prompt)?;
        self.pictures.check_places(&tokens, images.len())?;
        let patches = |(i, image): (usize, &RgbImage)| match self.pictures.patches(image) {
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
            tokens: self.pictures.expand(&tokens, &images),
            images,
        })
    }

    /// Resizes, normalises and cuts one picture.
    ///
    /// # Errors
    /// The picture cannot be used, or the model reads text only.
    pub fn patches(&self, image: &RgbImage) -> Result<ImagePatches, VlmError> {
        self.pictures.patches(image)
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

    /// The files it was made of.
    pub fn files(&self) -> &ProcessorFiles {
        &self.files
    }

    /// The picture processing.
    pub fn pictures(&self) -> &Pictures {
        &self.pictures
    }

    /// The token that an image feature replaces, with its id.
    pub fn image_token(&self) -> Option<(&'static str, u32)> {
        self.pictures.token()
    }

    /// Whether processor and model speak of the same tokens and patches.
    ///
    /// # Errors
    /// What differs, with both values.
    pub fn check_fit(&self, config: &ModelConfig) -> Result<(), String> {
        let (tokens, rows) = (self.tokenizer.vocab_size(), config.text.vocab_size);
        if tokens > rows {
            return Err(format!(
                "the tokenizer has {tokens} tokens, expected at most vocab_size, which is {rows}"
            ));
        }
        if let Some((name, found)) = self.image_token()
            && config.image_token_id != Some(found)
        {
            return Err(match config.image_token_id {
                Some(expected) => {
                    format!("the id of {name} is {found}, expected {expected} as in config.json")
                }
                None => format!(
                    "{name} is token {found} of the vocabulary only, expected it among the added \
                     tokens"
                ),
            });
        }
        self.pictures.check_fit(config.vision.as_ref())
    }

    /// Writes the files into `dir` exactly as they were read.
    ///
    /// # Errors
    /// The directory or a file cannot be written.
    pub fn save_to_dir(&self, dir: &Path) -> Result<(), VlmError> {
        self.files.write_dir(dir)
    }
}

fn template(
    files: &ProcessorFiles,
    pictures: &Pictures,
    tokenizer: &Tokenizer,
) -> Result<ChatTemplate, VlmError> {
    let of_files = ["chat_template.jinja", "chat_template.json"];
    let config = files.json(ProcessorFiles::CONFIG)?.unwrap_or_default();
    let named = config["template"].as_str();
    let name = match (named, config["model_type"].as_str()) {
        (Some(name), Some("internvl_chat")) if of_files.iter().all(|f| files.get(f).is_none()) => {
            name
        }
        _ => return ChatTemplate::from_files(files),
    };
    let path = files.path(ProcessorFiles::CONFIG);
    match ChatTemplate::builtin(name, pictures.template_text(), tokenizer)? {
        Some(source) => ChatTemplate::new(&source, Path::new(name), files),
        None => Err(VlmError::config(
            path,
            format!(
                "template is {name:?}, expected \"internvl2_5\" or a file chat_template.jinja \
                 in the directory"
            ),
        )),
    }
}

#[cfg(test)]
mod tests;
