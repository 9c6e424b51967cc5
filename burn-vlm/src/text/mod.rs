//! Text on the host: conversations, chat templates, tokens.

use std::sync::Arc;

use crate::image::ImagePatches;

mod added;
pub mod chat;
pub mod files;
pub mod message;
mod python;
mod sentencepiece;
mod slow;
mod special;
pub mod stop;
mod templates;
pub mod tokenizer;

pub use chat::{ChatTemplate, TemplateArgs};
pub use files::ProcessorFiles;
pub use message::{Content, IMAGE_MARK, Message, place_images};
pub use stop::stop_token_ids;
pub use templates::NamedTemplate;
pub use tokenizer::Tokenizer;

/// A prompt as the model takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedPrompt {
    /// Token ids; each picture's placeholder already stands as often as the picture has tokens.
    pub tokens: Vec<u32>,
    /// The pictures in the order of their placeholders. Shared, because a group of rollouts and
    /// every later pass over them read the same patches.
    pub images: Vec<Arc<ImagePatches>>,
}
