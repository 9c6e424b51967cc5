//! What a reward may look at beside question, answer and response.

use super::DataRow;
use crate::types::RowContext;
use burn_rewards::{BoxCoordinates, ImageSize};
use burn_vlm::{
    EncodedPrompt, Processor, VlmError,
    image::{ImagePatches, RgbImage},
    models::BoxUnits,
    processor::Pictures,
};

/// Tokens of a prompt's end that rewards are told.
const END_TOKENS: usize = 16;

/// What is known of an encoded row; `images` are its pictures before they were cut.
///
/// # Errors
/// A processor without a readable `config.json`.
pub(super) fn context(
    row: &DataRow,
    processor: &Processor,
    images: &[RgbImage],
    encoded: &EncodedPrompt,
) -> Result<RowContext, VlmError> {
    let end = encoded.tokens.len().saturating_sub(END_TOKENS);
    let sizes = images.iter().zip(&encoded.images);
    Ok(RowContext {
        row_id: row.id.clone(),
        answers: row.answers.clone(),
        set: row.set.clone(),
        fields: row.fields.clone(),
        prompt_end: processor.decode(&encoded.tokens[end..], false)?,
        images: sizes
            .map(|(image, patches)| size(processor.pictures(), image, patches))
            .collect(),
        coordinates: match images.is_empty() {
            true => None,
            false => coordinates(processor),
        },
    })
}

fn size(pictures: &Pictures, image: &RgbImage, patches: &ImagePatches) -> ImageSize {
    let (width, height) = image.dimensions();
    let size = [width as usize, height as usize];
    let seen = pictures.processor().map(|own| own.resized(size, patches));
    let resized = seen.map_or([width, height], |size| size.map(|side| side as u32));
    ImageSize {
        original: [width, height],
        resized,
    }
}

/// What the model's family counts boxes in, if that is known.
fn coordinates(processor: &Processor) -> Option<BoxCoordinates> {
    processor.box_units().map(|units| match units {
        BoxUnits::ResizedPixels => BoxCoordinates::Resized,
        BoxUnits::Thousandths => BoxCoordinates::Thousandths,
    })
}
