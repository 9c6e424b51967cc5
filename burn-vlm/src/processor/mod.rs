//! From a conversation and its pictures to what a model takes: every family's processor behind one
//! face.

use crate::{
    error::VlmError,
    image::{Decoding, ImagePatches},
    models::{BoxUnits, Families, ModelConfig, ModelFamily, Shown},
    text::{
        ChatTemplate, EncodedPrompt, Message, NamedTemplate, ProcessorFiles, TemplateArgs,
        Tokenizer, stop_token_ids,
    },
};
use image::RgbImage;
use rayon::prelude::*;
use std::{path::Path, sync::Arc};

mod options;
mod pictures;
mod prompting;

pub use options::ProcessorOptions;
pub use pictures::Pictures;
use prompting::Prompting;

/// Tokenizer, chat template and picture processing of one model directory.
#[derive(Debug, Clone)]
pub struct Processor {
    files: ProcessorFiles,
    tokenizer: Tokenizer,
    prompting: Prompting,
    pictures: Pictures,
    family: Arc<dyn ModelFamily>,
    families: Families,
    blank_image: bool,
    stored_orientation: bool,
}

impl Processor {
    /// Reads a model directory of a family of this crate: `config.json`, `tokenizer.json`, a chat
    /// template (see [`ChatTemplate::from_files`]) and the image settings. Without a template only
    /// conversations cannot be encoded.
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
        Self::of_family(files, &Families::default())
    }

    /// The same for a model of one of `families`. Files without a `config.json` are those of the
    /// family that [is assumed](ModelFamily::is_assumed) then.
    ///
    /// A `config.json` may name a template; it counts where the directory has no template file.
    ///
    /// # Errors
    /// As [`from_dir`](Self::from_dir).
    pub fn of_family(files: ProcessorFiles, families: &Families) -> Result<Self, VlmError> {
        let tokenizer = Tokenizer::from_files(&files)?;
        let family = pictures::family_of(&files, families)?;
        let pictures = Pictures::read(&files, &*family, Some(&tokenizer), families)?;
        let prompting = match named_template(&files, &*family, families)? {
            Some(named) => {
                let source = named.complete(pictures.template_text(), &tokenizer)?;
                ChatTemplate::new(&source, Path::new(named.name), &files)?.into()
            }
            None => Prompting::find(&files, pictures.processor().is_some())?,
        };
        Ok(Self {
            files,
            tokenizer,
            prompting,
            pictures,
            family,
            families: families.clone(),
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
        let reads_pictures = self.pictures.processor().is_some();
        self.prompting = Prompting::find(&self.files, reads_pictures)?;
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
        self.encode_with(
            messages,
            images,
            add_generation_prompt,
            &TemplateArgs::new(),
        )
    }

    /// The same with switches of the chat template for this conversation, over those of the
    /// [options](ProcessorOptions::template_args).
    ///
    /// # Errors
    /// As [`encode`](Self::encode), or a name that the template does not read.
    pub fn encode_with(
        &self,
        messages: &[Message],
        images: &[RgbImage],
        add_generation_prompt: bool,
        args: &TemplateArgs,
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
            return self.encode_shown(&messages, &[blank], add_generation_prompt, args);
        }
        self.encode_shown(messages, images, add_generation_prompt, args)
    }

    /// The length of a conversation in tokens, before its pictures are read: no more than it has
    /// with them. `sizes` are widths and heights in pixels as [`probe`](crate::image::probe) tells
    /// them, of those pictures of which they are known; the others count as the one token that marks
    /// a picture, as do all where only its pixels tell how many features it has.
    ///
    /// # Errors
    /// The template refuses it, or no picture of a size can be used.
    pub fn least_len(
        &self,
        messages: &[Message],
        sizes: &[(u32, u32)],
        args: &TemplateArgs,
    ) -> Result<usize, VlmError> {
        let mut tokens = self.text_tokens(messages, true, args)?.len();
        for (width, height) in sizes {
            let size = [*width as usize, *height as usize];
            let features = self.pictures.fewest_features(size)?;
            // One of them is the placeholder.
            tokens += features.unwrap_or(1).saturating_sub(1);
        }
        Ok(tokens)
    }

    fn text_tokens(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        args: &TemplateArgs,
    ) -> Result<Vec<u32>, VlmError> {
        let own = (&self.files, &self.tokenizer, &self.pictures);
        self.prompting
            .encode(messages, add_generation_prompt, args, own)
    }

    fn encode_shown(
        &self,
        messages: &[Message],
        images: &[RgbImage],
        add_generation_prompt: bool,
        args: &TemplateArgs,
    ) -> Result<EncodedPrompt, VlmError> {
        let tokens = self.text_tokens(messages, add_generation_prompt, args)?;
        self.pictures.check_placeholders(&tokens, images.len())?;
        let patches = |(i, image): (usize, &RgbImage)| match self.pictures.patches(image) {
            Ok(patches) => Ok(Arc::new(patches)),
            Err(VlmError::Image { name, message }) => {
                let name = format!("{} of {} ({name})", i + 1, images.len());
                Err(VlmError::Image { name, message })
            }
            Err(other) => Err(other),
        };
        let patches: Vec<Arc<ImagePatches>> = images
            .par_iter()
            .enumerate()
            .map(patches)
            .collect::<Result<_, _>>()?;
        let shown = patches.iter().zip(images).map(|(patches, image)| Shown {
            patches,
            size: [image.width() as usize, image.height() as usize],
        });
        Ok(EncodedPrompt {
            tokens: self.pictures.expand(&tokens, &shown.collect::<Vec<_>>()),
            images: patches,
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

    /// The chat template, if conversations are rendered by one.
    pub fn chat_template(&self) -> Option<&ChatTemplate> {
        self.prompting.template()
    }

    /// The files it was made of.
    pub fn files(&self) -> &ProcessorFiles {
        &self.files
    }

    /// The picture processing.
    pub fn pictures(&self) -> &Pictures {
        &self.pictures
    }

    /// What the model counts boxes in, if that is known of its family.
    pub fn box_units(&self) -> Option<BoxUnits> {
        self.family.box_units()
    }

    /// The token that an image feature replaces, with its id.
    pub fn image_token(&self) -> Option<(&str, u32)> {
        self.pictures.token()
    }

    /// The ids at which a generation stops, without repetition. See [`stop_token_ids`].
    ///
    /// # Errors
    /// A value is no token id or no known token, or nothing names one.
    pub fn stop_token_ids(&self) -> Result<Vec<u32>, VlmError> {
        let config = self
            .files
            .object(ProcessorFiles::CONFIG)?
            .unwrap_or_default();
        stop_token_ids(&self.files, &self.tokenizer, self.family.turn_end(&config))
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
        self.pictures.check_fit(config.vision.as_deref())
    }

    /// Writes the files into `dir` exactly as they were read.
    ///
    /// # Errors
    /// The directory or a file cannot be written.
    pub fn save_to_dir(&self, dir: &Path) -> Result<(), VlmError> {
        self.files.write_dir(dir)
    }
}

/// The template that `config.json` names, unless the directory has a template file.
fn named_template<'a>(
    files: &ProcessorFiles,
    family: &dyn ModelFamily,
    families: &'a Families,
) -> Result<Option<&'a NamedTemplate>, VlmError> {
    let of_files = ["chat_template.jinja", "chat_template.json"];
    let config = files.object(ProcessorFiles::CONFIG)?.unwrap_or_default();
    let named = family.named_template(&config);
    let Some(name) = named.filter(|_| of_files.iter().all(|file| files.get(file).is_none())) else {
        return Ok(None);
    };
    let known = families
        .chat_templates()
        .find(|template| template.name == name);
    known.map(Some).ok_or_else(|| {
        let own = family.chat_templates().iter();
        let own: Vec<String> = own.map(|template| format!("{:?}", template.name)).collect();
        let message = format!(
            "template is {name:?}, expected {} or a file chat_template.jinja in the directory",
            own.join(", ")
        );
        VlmError::config(files.path(ProcessorFiles::CONFIG), message)
    })
}

#[cfg(test)]
mod tests;
