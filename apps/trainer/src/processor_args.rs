//! Arguments that say where weights come from and how text and pictures are processed, alike in all
//! commands.

use crate::paths;
use burn_rl::{config::ModelInit, data::RowFormat};
use burn_vlm::{models::PictureLimits, processor::ProcessorOptions, text::TemplateArgs};
use std::path::PathBuf;

/// Settings over the model directory's own.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ProcessorArgs {
    /// `random` draws the weights: the directory needs none, only what describes the
    /// model.
    #[arg(long, value_name = "random|pretrained", default_value = "pretrained", value_parser = parse_init)]
    pub init: ModelInit,
    /// A chat template in place of the model's: a Jinja file, a JSON file with "chat_template", or
    /// a name, as r1_zero; one that is not known is answered with all that are. `raw` takes the one
    /// turn of a prompt as it stands, special tokens that it spells included.
    #[arg(long, value_name = "NAME|FILE")]
    pub chat_template: Option<String>,
    /// Sets a switch of the chat template, as enable_thinking=false; may be repeated.
    #[arg(long = "template-arg", value_name = "NAME=JSON", value_parser = parse_template_arg)]
    pub template_args: Vec<(String, serde_json::Value)>,
    /// Smallest area of a picture after resizing, in pixels (Qwen-VL models).
    #[arg(long, value_name = "N")]
    pub min_pixels: Option<usize>,
    /// Largest area of a picture after resizing, in pixels (Qwen-VL models).
    #[arg(long, value_name = "N")]
    pub max_pixels: Option<usize>,
    /// Fewest tiles of a picture, for models that cut it into tiles.
    #[arg(long, value_name = "N")]
    pub min_tiles: Option<usize>,
    /// Most tiles of a picture, a thumbnail not counted, for models that cut it into tiles.
    #[arg(long, value_name = "N")]
    pub max_tiles: Option<usize>,
    /// Shows a white picture to conversations that have none.
    #[arg(long)]
    pub blank_image: bool,
    /// A directory that pictures of data rows may be in beside that of the data file; may be
    /// repeated.
    #[arg(long = "picture-root", value_name = "DIR", value_parser = paths::path())]
    pub picture_roots: Vec<PathBuf>,
    /// Takes pictures as their files store them, whatever their EXIF orientation says.
    #[arg(long)]
    pub stored_orientation: bool,
}

/// Settings of a conversation beside those of the processor.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ConversationArgs {
    /// A system message for conversations that have none.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub system: String,
    /// How text and pictures are processed.
    #[command(flatten)]
    pub processor: ProcessorArgs,
}

/// Texts that end a completion.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct StopArgs {
    /// A text that ends a completion as a stop token does, as </answer>; may be repeated. The text
    /// of the completion ends before it.
    #[arg(long, value_name = "TEXT")]
    pub stop: Vec<String>,
    /// Leaves the stop text at the end of the completion's.
    #[arg(long, requires = "stop")]
    pub include_stop_string: bool,
}

/// A name and its value: JSON, or a text that is none.
fn parse_template_arg(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((name.into(), value))
}

/// What `--init` says.
pub fn parse_init(text: &str) -> Result<ModelInit, String> {
    match text {
        "random" => Ok(ModelInit::Random),
        "pretrained" => Ok(ModelInit::Pretrained),
        _ => Err("expected random or pretrained".into()),
    }
}

impl ProcessorArgs {
    /// How rows with the usual names are read.
    pub fn row_format(&self) -> RowFormat {
        RowFormat {
            picture_roots: self.picture_roots.clone(),
            ..RowFormat::default()
        }
    }

    /// For the processor.
    pub fn options(&self) -> ProcessorOptions {
        ProcessorOptions {
            chat_template: self.chat_template.clone(),
            template_args: TemplateArgs::from_iter(self.template_args.iter().cloned()),
            limits: PictureLimits {
                min_pixels: self.min_pixels,
                max_pixels: self.max_pixels,
                min_tiles: self.min_tiles,
                max_tiles: self.max_tiles,
            },
            blank_image: self.blank_image,
            stored_orientation: self.stored_orientation,
        }
    }
}
