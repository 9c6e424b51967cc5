//! What a family of models is, and which there are.

use super::{
    ImageProcessor, KeyTable, Section, TextSection, TokenIds, VisionConfig, relatives::missing,
};
use crate::{
    error::VlmError,
    nn::{DecoderConfig, Position},
    precision::Compute,
    text::{NamedTemplate, ProcessorFiles},
    weights::{KeyMap, KeyRow},
};
use serde_json::Value;
use std::{
    fmt::{self, Debug, Formatter},
    path::Path,
    sync::Arc,
};

/// What a model counts the corners of boxes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoxUnits {
    /// Pixels of the picture as the model sees it, after resizing.
    ResizedPixels,
    /// Thousandths of the picture's width and height.
    Thousandths,
}

/// Everything that one family of models does in its own way. A crate of its own adds one with
/// [`Families::with`]; all but the first two methods have the default of a model that only reads
/// text.
pub trait ModelFamily: Debug + Send + Sync {
    /// The values of `model_type` in `config.json` that are this family's.
    fn model_types(&self) -> &[&'static str];

    /// Reads a `config.json` whose `model_type` is one of them. `families` are those whose decoders
    /// it may hold.
    ///
    /// # Errors
    /// The key, what it is and what was expected.
    fn read(&self, raw: &Value, families: &Families) -> Result<Architecture, String>;

    /// What users call a model of this family, as `a Qwen-VL model`.
    fn title(&self) -> &'static str {
        "a model that only reads text"
    }

    /// The decoder that other families may have inside them; none where this is no plain decoder.
    fn text(&self) -> Option<&dyn TextFamily> {
        None
    }

    /// Positions of a row, and the position of the token after its end: 0, 1, 2, … unless a
    /// family places pictures otherwise. `grids` are `[t, h, w]` in patches.
    fn positions(
        &self,
        config: &ModelConfig,
        tokens: &[u32],
        grids: &[[usize; 3]],
    ) -> (Vec<Position>, u32) {
        let _ = (config, grids);
        let len = tokens.len() as u32;
        ((0..len).map(|at| [at; 3]).collect(), len)
    }

    /// The id of the placeholder, from the other files of a model directory whose `config.json` does
    /// not say it.
    ///
    /// # Errors
    /// A file that is malformed.
    fn image_token_id(&self, dir: &Path) -> Result<Option<u32>, VlmError> {
        let _ = dir;
        Ok(None)
    }

    /// Whether the weights decide if the head is the embedding table, because configurations of
    /// this family leave it open.
    fn head_is_tied_by_files(&self) -> bool {
        false
    }

    /// The picture processing of a model directory; none where a model only reads text.
    ///
    /// # Errors
    /// A file is missing or wrong, or a token is unknown.
    fn image_processor(
        &self,
        files: &ProcessorFiles,
        ids: &TokenIds<'_>,
    ) -> Result<Option<Arc<dyn ImageProcessor>>, VlmError> {
        let _ = (files, ids);
        Ok(None)
    }

    /// Which [limits](super::PictureLimits) its picture processing takes.
    fn picture_limits(&self) -> &[&'static str] {
        &[]
    }

    /// What its models count the corners of boxes in, as their authors' prompts for grounding have
    /// it; none where that is not known.
    fn box_units(&self) -> Option<BoxUnits> {
        None
    }

    /// Whether files without a `config.json` are taken for its.
    fn is_assumed(&self) -> bool {
        false
    }

    /// Chat templates that come with the family.
    fn chat_templates(&self) -> &[NamedTemplate] {
        &[]
    }

    /// The name of the template that `config.json` asks for, where there is no template file.
    fn named_template<'a>(&self, config: &'a Value) -> Option<&'a str> {
        let _ = config;
        None
    }

    /// The token that ends a turn, where a generation stops at it whatever the files say.
    fn turn_end(&self, config: &Value) -> Option<&'static str> {
        let _ = config;
        None
    }

    /// The sections of a `config.json` whose keys this family knows, each with its table; a key that
    /// is in none is noted in [`ModelConfig::unlisted_keys`]. By default the whole file is the
    /// section of the plain decoder; none where the family has no tables.
    fn known_keys(&self, raw: &Value, families: &Families) -> Vec<Section> {
        let _ = (raw, families);
        let table = self.text().and_then(TextFamily::known_keys);
        table.map(|table| ("", table)).into_iter().collect()
    }

    /// The `config.json` of tiny models by name, with which a device can be tried.
    fn samples(&self) -> &[(&'static str, &'static str)] {
        &[]
    }
}

/// A plain decoder, alone or inside another family's model.
pub trait TextFamily {
    /// Reads the section that describes it.
    ///
    /// # Errors
    /// The key, what it is and what was expected.
    fn section(&self, json: &Value) -> Result<TextSection, String>;

    /// Names of its tensors.
    fn keys(&self) -> &'static [KeyRow];

    /// The keys of the section that describes it; none where there is no table of them.
    fn known_keys(&self) -> Option<&'static KeyTable> {
        None
    }

    /// Reads the configuration of a model that is this decoder and nothing else.
    ///
    /// # Errors
    /// As [`section`](Self::section).
    fn whole(&self, raw: &Value) -> Result<Architecture, String> {
        let keys = KeyMap::new(vec![("", self.keys())]);
        Ok(Architecture::of_text(self.section(raw)?, keys))
    }
}

/// What a family reads out of a `config.json`.
#[derive(Debug, Clone)]
pub struct Architecture {
    /// The text decoder.
    pub text: DecoderConfig,
    /// The vision tower, unless the model only reads text.
    pub vision: Option<Arc<dyn VisionConfig>>,
    /// Whether the head is the embedding table.
    pub tie_word_embeddings: bool,
    /// The token that an image feature replaces, where the file says it.
    pub image_token_id: Option<u32>,
    /// Positions the model was trained on.
    pub max_position_embeddings: usize,
    /// Standard deviation of freshly drawn weights.
    pub initializer_range: f64,
    /// Names of the checkpoint's tensors.
    pub keys: KeyMap,
    /// Names of the modules in transformers, where a checkpoint has another layout: adapters are
    /// called so.
    pub module_keys: Option<KeyMap>,
}

impl Architecture {
    /// A decoder and nothing else.
    pub fn of_text(text: TextSection, keys: KeyMap) -> Self {
        Self {
            text: text.decoder,
            vision: None,
            tie_word_embeddings: text.tie_word_embeddings.unwrap_or(false),
            image_token_id: None,
            max_position_embeddings: text.max_position_embeddings,
            initializer_range: text.initializer_range,
            keys,
            module_keys: None,
        }
    }

    /// The same with a vision tower, whose features replace the embeddings of `image_token_id`.
    pub fn with_vision(
        self,
        vision: impl VisionConfig + 'static,
        image_token_id: Option<u32>,
    ) -> Self {
        Self {
            vision: Some(Arc::new(vision)),
            image_token_id,
            ..self
        }
    }
}

/// Everything the architecture needs to know, and the file it was read from.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    /// The family.
    pub family: Arc<dyn ModelFamily>,
    /// The families that it was found among.
    pub families: Families,
    /// The text decoder.
    pub text: DecoderConfig,
    /// The vision tower, unless the model only reads text.
    pub vision: Option<Arc<dyn VisionConfig>>,
    /// Whether the head is the embedding table.
    pub tie_word_embeddings: bool,
    /// The token that an image feature replaces, where the file says it.
    pub image_token_id: Option<u32>,
    /// Positions the model was trained on.
    pub max_position_embeddings: usize,
    /// Standard deviation of freshly drawn weights.
    pub initializer_range: f64,
    /// What the model computes in; no file says it.
    pub compute: Compute,
    /// The file as it was read, written back unchanged on export.
    pub raw: Value,
    /// Keys of the file that the family does not know, and which are taken to change nothing.
    pub unlisted_keys: Vec<String>,
    pub(super) keys: KeyMap,
    pub(super) module_keys: KeyMap,
}

/// The families that a model may be of. [`Families::default`] are those of this crate.
#[derive(Clone)]
pub struct Families(Arc<[Arc<dyn ModelFamily>]>);

impl Families {
    /// Those of `all`.
    pub(super) fn new(all: Vec<Arc<dyn ModelFamily>>) -> Self {
        Self(all.into())
    }

    /// One more, which comes before another of the same `model_type`.
    pub fn with(&self, family: impl ModelFamily + 'static) -> Self {
        let all = self.0.iter().cloned();
        Self(
            all.chain([Arc::new(family) as Arc<dyn ModelFamily>])
                .collect(),
        )
    }

    /// All of them, the latest last.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<dyn ModelFamily>> {
        self.0.iter()
    }

    /// The family that a parsed `config.json` names.
    ///
    /// # Errors
    /// One that is not there; the message lists those that are.
    pub fn of(&self, raw: &Value) -> Result<&Arc<dyn ModelFamily>, String> {
        let found = raw["model_type"].as_str().unwrap_or("none");
        let is_named = |family: &&Arc<dyn ModelFamily>| family.model_types().contains(&found);
        self.iter().rev().find(is_named).ok_or_else(|| {
            let names = names(self.iter());
            refusal("model_type", found, &names)
        })
    }

    /// The decoder that a section of a `config.json` describes; `key` is the section's.
    ///
    /// # Errors
    /// One that is not there; the message lists those that are.
    pub fn of_text(&self, json: &Value, key: &str) -> Result<&dyn TextFamily, String> {
        let found = json["model_type"].as_str().unwrap_or("none");
        let decoders = self
            .iter()
            .rev()
            .filter(|f| f.model_types().contains(&found));
        decoders.filter_map(|f| f.text()).next().ok_or_else(|| {
            let names = names(self.iter().filter(|family| family.text().is_some()));
            refusal(&format!("{key}.model_type"), found, &names)
        })
    }

    /// The chat templates that have a name: the families', then those for any model.
    pub fn chat_templates(&self) -> impl Iterator<Item = &NamedTemplate> {
        let own = self.iter().flat_map(|family| family.chat_templates());
        own.chain(NamedTemplate::GENERAL)
    }
}

impl Debug for Families {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter()).finish()
    }
}

/// A model type that is not here, with what it would need where that is known.
fn refusal(key: &str, found: &str, names: &str) -> String {
    match missing(found) {
        Some(missing) => format!(
            "{key} is `{found}`, which needs what is not supported: {missing}; supported: {names}"
        ),
        None => format!("{key} is `{found}`, supported: {names}"),
    }
}

fn names<'a>(families: impl Iterator<Item = &'a Arc<dyn ModelFamily>>) -> String {
    let names = families.flat_map(|family| family.model_types());
    names.copied().collect::<Vec<_>>().join(", ")
}
