//! What a user may set over a model's own processing.

use std::path::Path;

use image::RgbImage;

use super::{
    Processor,
    prompting::{Prompting, RAW},
};
use crate::error::VlmError;
use crate::models::PictureLimits;
use crate::text::{ChatTemplate, Content, Message, TemplateArgs};

/// Side of the white picture that stands in for none, in pixels: MM-Eureka's `blank.png`.
const BLANK_SIDE: u32 = 224;

/// Settings over a model directory's own; each is left alone by its default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessorOptions {
    /// The chat template: a name of
    /// [`Families::chat_templates`](crate::models::Families::chat_templates), or a file of Jinja or
    /// of JSON with the key `chat_template`. Saved with the processor. But for `raw`: then a
    /// conversation is one turn, whose text is the prompt as it stands, special tokens that it
    /// spells included, and the processor is saved with the model's own.
    pub chat_template: Option<String>,
    /// Values of the template's switches, for conversations that have none of their own.
    pub template_args: TemplateArgs,
    /// Limits on the sizes of pictures, each for families that have it.
    pub limits: PictureLimits,
    /// Whether a conversation without pictures is shown a white one of 224 x 224 pixels before its
    /// first user turn, as MM-Eureka trains some models.
    pub blank_image: bool,
    /// Whether pictures are taken as they are stored, whatever their EXIF orientation says.
    pub stored_orientation: bool,
}

impl Processor {
    /// The same processor with `options` over its own. But for the chat template they hold for this
    /// value only: [`save_to_dir`](Self::save_to_dir) writes the model's own.
    ///
    /// # Errors
    /// A template that is neither a name nor a file, an option that the family does not have, or
    /// limits that contradict each other.
    pub fn with_options(mut self, options: &ProcessorOptions) -> Result<Self, VlmError> {
        match options.chat_template.as_deref() {
            None => {}
            Some(RAW) => self.prompting = Prompting::Raw,
            Some(template) => {
                let source = self.template_source(template)?;
                self.files.set_chat_template(&source)?;
                // Messages name what was asked for, not the file that it is saved as.
                let template = ChatTemplate::new(&source, Path::new(template), &self.files)?;
                self.prompting = template.into();
            }
        }
        self.prompting = self.prompting.with_args(&options.template_args)?;
        self = self.with_limits(&options.limits)?;
        if options.blank_image && self.pictures.processor().is_none() {
            return Err(no_such("blank_image", "a model that reads pictures"));
        }
        self.blank_image = options.blank_image;
        self.stored_orientation = options.stored_orientation;
        Ok(self)
    }

    /// The source of the template that `name` is the name or the file of.
    fn template_source(&self, name: &str) -> Result<String, VlmError> {
        let image = self.pictures.template_text();
        let mut named = self.families.chat_templates();
        if let Some(template) = named.find(|template| template.name == name) {
            return template.complete(image, &self.tokenizer);
        }
        let path = Path::new(name);
        if !path.is_file() {
            let names = self.families.chat_templates().map(|template| template.name);
            let names: Vec<&str> = names.chain([RAW]).collect();
            return Err(VlmError::Request(format!(
                "the chat template {name:?} does not exist, expected a file or one of {}",
                names.join(", ")
            )));
        }
        let template = ChatTemplate::from_file(path, &self.files)?;
        Ok(template.source().to_owned())
    }
}

impl Processor {
    fn with_limits(mut self, limits: &PictureLimits) -> Result<Self, VlmError> {
        let own = self.family.picture_limits();
        if let Some(name) = limits.given().find(|name| !own.contains(name)) {
            let mut all = self.families.iter();
            let other = all.find(|family| family.picture_limits().contains(&name));
            let expected = other.map_or("a model that has it", |family| family.title());
            return Err(no_such(name, expected));
        }
        if let Some(images) = self.pictures.processor() {
            let limited = images.limited(limits).map_err(VlmError::Request)?;
            self.pictures.set(limited);
        }
        Ok(self)
    }
}

fn no_such(option: &str, expected: &str) -> VlmError {
    VlmError::Request(format!("{option} is set, expected {expected} for it"))
}

/// The conversation with a white picture on a line of its own before the first user turn.
pub(super) fn with_blank_image(messages: &[Message]) -> Result<(Vec<Message>, RgbImage), VlmError> {
    let mut messages = messages.to_vec();
    let user = messages.iter_mut().find(|message| message.role == "user");
    let Some(message) = user else {
        let message = "blank_image is set, expected a user turn to show it in";
        return Err(VlmError::Text(message.into()));
    };
    let blank = [Content::Image, Content::Text("\n".into())];
    message.content.splice(0..0, blank);
    let white = image::Rgb([255; 3]);
    Ok((
        messages,
        RgbImage::from_pixel(BLANK_SIDE, BLANK_SIDE, white),
    ))
}
