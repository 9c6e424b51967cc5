//! What a user may set over a model's own processing.

use std::path::Path;

use image::RgbImage;

use super::{Pictures, Processor};
use crate::error::VlmError;
use crate::text::{ChatTemplate, Content, Message};

/// Side of the white picture that stands in for none, in pixels: MM-Eureka's `blank.png`.
const BLANK_SIDE: u32 = 224;

/// Settings over a model directory's own; each is left alone by its default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessorOptions {
    /// The chat template: a name of [`ChatTemplate::names`], or a file of Jinja or of JSON with the
    /// key `chat_template`. Saved with the processor.
    pub chat_template: Option<String>,
    /// The smallest area of a resized picture in pixels (Qwen).
    pub min_pixels: Option<usize>,
    /// The largest area of a resized picture in pixels (Qwen).
    pub max_pixels: Option<usize>,
    /// The fewest tiles of a picture (InternVL).
    pub min_tiles: Option<usize>,
    /// The most tiles of a picture, the thumbnail not counted (InternVL).
    pub max_tiles: Option<usize>,
    /// Whether a conversation without pictures is shown a white one of 224 x 224 pixels before its
    /// first user turn, as MM-Eureka trains InternVL.
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
        if let Some(template) = &options.chat_template {
            let source = self.template_source(template)?;
            self = self.with_chat_template(&source)?;
        }
        self.pictures
            .set_limits(options)
            .map_err(VlmError::Request)?;
        if options.blank_image && self.pictures == Pictures::None {
            return Err(no_such("blank_image", "a model that reads pictures"));
        }
        self.blank_image = options.blank_image;
        self.stored_orientation = options.stored_orientation;
        Ok(self)
    }

    /// The source of the template that `name` is the name or the file of.
    fn template_source(&self, name: &str) -> Result<String, VlmError> {
        let image = self.pictures.template_text();
        if let Some(source) = ChatTemplate::builtin(name, image, &self.tokenizer)? {
            return Ok(source);
        }
        let path = Path::new(name);
        if !path.is_file() {
            let names: Vec<&str> = ChatTemplate::names().collect();
            return Err(VlmError::Request(format!(
                "the chat template {name:?} does not exist, expected a file or one of {}",
                names.join(", ")
            )));
        }
        let template = ChatTemplate::from_file(path, &self.files)?;
        Ok(template.source().to_owned())
    }
}

impl Pictures {
    fn set_limits(&mut self, options: &ProcessorOptions) -> Result<(), String> {
        let given = [
            ("min_pixels", options.min_pixels, true),
            ("max_pixels", options.max_pixels, true),
            ("min_tiles", options.min_tiles, false),
            ("max_tiles", options.max_tiles, false),
        ];
        let fits = |pixels: bool| match self {
            Self::None => false,
            Self::Qwen { .. } => pixels,
            Self::InternVl { .. } => !pixels,
        };
        let foreign = given
            .iter()
            .find(|(_, value, pixels)| value.is_some() && !fits(*pixels));
        if let Some((name, _, pixels)) = foreign {
            let expected = if *pixels {
                "a Qwen-VL model"
            } else {
                "an InternVL model"
            };
            return Err(no_such(name, expected).to_string());
        }
        match self {
            Self::None => Ok(()),
            Self::Qwen { config, .. } => {
                config.min_pixels = options.min_pixels.unwrap_or(config.min_pixels);
                config.max_pixels = options.max_pixels.unwrap_or(config.max_pixels);
                config.validate()
            }
            Self::InternVl { config, .. } => {
                let tiling = &mut config.tiling;
                tiling.min_tiles = options.min_tiles.unwrap_or(tiling.min_tiles);
                tiling.max_tiles = options.max_tiles.unwrap_or(tiling.max_tiles);
                config.validate()
            }
        }
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
