//! The model that is trained.

use burn_vlm::{Precision, models::PictureLimits, processor::ProcessorOptions, text::TemplateArgs};
use serde::{Deserialize, Serialize};

/// The model that is trained.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ModelSection {
    /// A Hugging Face model directory.
    pub path: String,
    /// Whether its weights are loaded or drawn.
    pub init: ModelInit,
    /// What it computes in: `auto` (bf16 on GPUs, f32 on CPUs), `f32` or `bf16`. What is trained is
    /// kept in f32 whatever this is.
    pub dtype: Precision,
    /// A system message before every conversation that has none; empty for no such message.
    pub system: String,
    /// Tensors of its files that may be missing, unused or misshapen, by name or by the beginning
    /// of names up to a dot. A parameter that is not read is drawn afresh.
    pub allow_tensors: Vec<String>,
    /// What is not trained: leading components of parameters' names, as `visual` or
    /// `model.layers.0..8`.
    pub freeze: Vec<String>,
    /// A chat template in place of the model's own, saved with checkpoints: a file of Jinja, or a
    /// name, as `r1_zero`; one that is not known is answered with all that are. Empty for the
    /// model's own. `raw` for none: the one turn of a row is the prompt as it stands, special
    /// tokens that it spells included.
    pub chat_template: String,
    /// Switches of the chat template, as `{ enable_thinking = false }`; a row's own
    /// (`data.columns.template_args`) come before them. One that the template does not read is
    /// refused.
    pub template_args: TemplateArgs,
    /// How pictures are cut.
    pub images: ImagesConfig,
}

/// Limits on pictures in place of the model's own, which hold where a number is 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ImagesConfig {
    /// Smallest area of a picture after resizing, in pixels (Qwen-VL models).
    pub min_pixels: usize,
    /// Largest area of a picture after resizing, in pixels (Qwen-VL models).
    pub max_pixels: usize,
    /// Fewest tiles of a picture, for models that cut it into tiles.
    pub min_tiles: usize,
    /// Most tiles of a picture, a thumbnail not counted, for models that cut it into tiles.
    pub max_tiles: usize,
    /// Whether conversations without a picture are shown a white one, as MM-Eureka trains some models.
    pub blank: bool,
    /// Whether pictures are taken as their files store them. By default each is turned as its EXIF
    /// orientation says, as transformers and datasets load it.
    pub stored_orientation: bool,
}

impl ModelSection {
    /// What the processor is told.
    pub fn processor_options(&self) -> ProcessorOptions {
        let set = |value: usize| (value > 0).then_some(value);
        let template = &self.chat_template;
        ProcessorOptions {
            chat_template: (!template.is_empty()).then(|| template.clone()),
            template_args: self.template_args.clone(),
            limits: PictureLimits {
                min_pixels: set(self.images.min_pixels),
                max_pixels: set(self.images.max_pixels),
                min_tiles: set(self.images.min_tiles),
                max_tiles: set(self.images.max_tiles),
            },
            blank_image: self.images.blank,
            stored_orientation: self.images.stored_orientation,
        }
    }
}

/// Where weights come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ModelInit {
    /// From the directory.
    #[default]
    Pretrained,
    /// Drawn from the run's seed; the directory needs no weights.
    Random,
}
