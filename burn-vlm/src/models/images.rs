//! How a family makes patches and tokens of pictures.

use crate::{
    error::VlmError,
    image::{Alpha, ImagePatches, PatchLayout},
    text::{ProcessorFiles, Tokenizer},
};
use image::RgbImage;
use std::{fmt::Debug, iter::repeat_n, sync::Arc};

/// The picture processing of one model directory, with the ids of its image tokens.
pub trait ImageProcessor: Debug + Send + Sync {
    /// What becomes of pictures' transparency.
    fn alpha(&self) -> Alpha;

    /// The placeholder that image features replace, with its id.
    fn token(&self) -> (&str, u32);

    /// What the family's chat templates write for a picture: exactly one placeholder, with whatever
    /// stands around it.
    fn template_text(&self) -> &str;

    /// How pictures are cut, as the tower must read them.
    fn layout(&self) -> PatchLayout;

    /// Resizes, normalises and cuts one picture.
    ///
    /// # Errors
    /// The picture cannot be used.
    fn patches(&self, image: &RgbImage) -> Result<ImagePatches, VlmError>;

    /// How many features a picture of `size`, width and height in pixels, has, without its pixels;
    /// none where only they can say.
    ///
    /// # Errors
    /// No picture of this size can be used.
    fn features(&self, _size: [usize; 2]) -> Result<Option<usize>, VlmError> {
        Ok(None)
    }

    /// Width and height, in pixels, of the picture that a model sees of one of `size`: what
    /// coordinates in resized pictures are counted in.
    fn resized(&self, _size: [usize; 2], patches: &ImagePatches) -> [usize; 2] {
        let [_, rows, columns] = patches.grid;
        [columns, rows].map(|n| n * self.layout().patch_size)
    }

    /// A rendered conversation, each placeholder in it repeated as often as its picture has
    /// features, with what the family writes around and between them.
    fn expand(&self, tokens: &[u32], pictures: &[Shown<'_>]) -> Vec<u32> {
        let merge = self.layout().merge_size;
        expand_each(tokens, self.token().1, pictures, |shown, _| {
            repeat_n(self.token().1, shown.patches.num_tokens(merge)).collect()
        })
    }

    /// The same with a user's limits over the directory's own, of those that
    /// [`ModelFamily::picture_limits`](super::ModelFamily::picture_limits) names.
    ///
    /// # Errors
    /// Limits that contradict each other.
    fn limited(&self, limits: &PictureLimits) -> Result<Arc<dyn ImageProcessor>, String>;
}

/// A picture of a conversation.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// As it was cut.
    pub patches: &'a ImagePatches,
    /// Width and height before that, in pixels.
    pub size: [usize; 2],
}

/// Limits on pictures that a user may set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PictureLimits {
    /// The smallest area of a resized picture in pixels.
    pub min_pixels: Option<usize>,
    /// The largest area of a resized picture in pixels.
    pub max_pixels: Option<usize>,
    /// The fewest tiles of a picture.
    pub min_tiles: Option<usize>,
    /// The most tiles of a picture, a thumbnail not counted.
    pub max_tiles: Option<usize>,
}

impl PictureLimits {
    /// Names of those that are set.
    pub fn given(&self) -> impl Iterator<Item = &'static str> {
        let all = [
            ("min_pixels", self.min_pixels),
            ("max_pixels", self.max_pixels),
            ("min_tiles", self.min_tiles),
            ("max_tiles", self.max_tiles),
        ];
        let given = all.into_iter().filter(|(_, value)| value.is_some());
        given.map(|(name, _)| name)
    }
}

/// Replaces the placeholders of a conversation, in order, by what `tokens_of` makes of a picture
/// and the token before it. A placeholder without a picture stays.
pub fn expand_each(
    tokens: &[u32],
    placeholder: u32,
    pictures: &[Shown<'_>],
    tokens_of: impl Fn(Shown<'_>, Option<u32>) -> Vec<u32>,
) -> Vec<u32> {
    let mut pictures = pictures.iter();
    let mut expanded = Vec::with_capacity(tokens.len());
    for (i, &token) in tokens.iter().enumerate() {
        let shown = pictures.as_slice().first().filter(|_| token == placeholder);
        let Some(shown) = shown else {
            expanded.push(token);
            continue;
        };
        pictures.next();
        let before = i.checked_sub(1).map(|before| tokens[before]);
        expanded.extend(tokens_of(*shown, before));
    }
    expanded
}

/// Ids of a family's image tokens: from the tokenizer, or without one from `config.json`.
pub struct TokenIds<'a> {
    files: &'a ProcessorFiles,
    tokenizer: Option<&'a Tokenizer>,
    /// The id of the placeholder in `config.json`.
    declared: &'a dyn Fn() -> Result<Option<u32>, VlmError>,
}

impl<'a> TokenIds<'a> {
    /// The ids in a model directory.
    pub(crate) fn new(
        files: &'a ProcessorFiles,
        tokenizer: Option<&'a Tokenizer>,
        declared: &'a dyn Fn() -> Result<Option<u32>, VlmError>,
    ) -> Self {
        Self {
            files,
            tokenizer,
            declared,
        }
    }

    /// The id of a token beside the placeholder; none where there is no tokenizer, so that all
    /// prompts are tokens already.
    ///
    /// # Errors
    /// The tokenizer has no such token.
    pub fn of(&self, token: &str) -> Result<Option<u32>, VlmError> {
        let Some(tokenizer) = self.tokenizer else {
            return Ok(None);
        };
        let missing = || {
            let path = self.files.path("tokenizer.json");
            VlmError::config(path, format!("the token {token} is missing"))
        };
        tokenizer.token_id(token).ok_or_else(missing).map(Some)
    }

    /// The ids of a text in which nothing is special; none where there is no tokenizer.
    ///
    /// # Errors
    /// The tokenizer's model fails on it.
    pub fn text(&self, text: &str) -> Result<Vec<u32>, VlmError> {
        self.tokenizer
            .map_or_else(|| Ok(vec![]), |tokenizer| tokenizer.encode_text(text))
    }

    /// The id of the placeholder `token`.
    ///
    /// # Errors
    /// Neither a tokenizer nor `config.json` says it.
    pub fn placeholder(&self, token: &str) -> Result<u32, VlmError> {
        if let Some(id) = self.of(token)? {
            return Ok(id);
        }
        let missing = || {
            let path = self.files.path(ProcessorFiles::CONFIG);
            let message = format!("no id of {token} here, expected a tokenizer.json beside it");
            VlmError::config(path, message)
        };
        (self.declared)()?.ok_or_else(missing)
    }
}
