//! Arguments that say how text and pictures are processed, alike in all commands.

use burn_vlm::processor::ProcessorOptions;

/// Settings over the model directory's own.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ProcessorArgs {
    /// A chat template in place of the model's: a Jinja file, a JSON file with "chat_template", or
    /// one of the built-in internvl2_5, r1_zero, visualthinker_base.
    #[arg(long, value_name = "NAME|FILE")]
    pub chat_template: Option<String>,
    /// Smallest area of a picture after resizing, in pixels (Qwen-VL).
    #[arg(long, value_name = "N")]
    pub min_pixels: Option<usize>,
    /// Largest area of a picture after resizing, in pixels (Qwen-VL).
    #[arg(long, value_name = "N")]
    pub max_pixels: Option<usize>,
    /// Fewest tiles of a picture (InternVL).
    #[arg(long, value_name = "N")]
    pub min_tiles: Option<usize>,
    /// Most tiles of a picture, the thumbnail not counted (InternVL).
    #[arg(long, value_name = "N")]
    pub max_tiles: Option<usize>,
    /// Shows a white picture to conversations that have none.
    #[arg(long)]
    pub blank_image: bool,
}

impl ProcessorArgs {
    /// For the processor.
    pub fn options(&self) -> ProcessorOptions {
        ProcessorOptions {
            chat_template: self.chat_template.clone(),
            min_pixels: self.min_pixels,
            max_pixels: self.max_pixels,
            min_tiles: self.min_tiles,
            max_tiles: self.max_tiles,
            blank_image: self.blank_image,
        }
    }
}
