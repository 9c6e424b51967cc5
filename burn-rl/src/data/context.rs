//! What a reward may look at beside question, answer and response.

use super::DataRow;
use crate::types::RowContext;
use burn_rewards::{BoxCoordinates, ImageSize};
use burn_vlm::{
    EncodedPrompt, Processor, VlmError, image::ImagePatches, processor::Pictures,
    text::ProcessorFiles,
};
use image::RgbImage;

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
        set: row.set.clone(),
        fields: row.fields.clone(),
        prompt_end: processor.decode(&encoded.tokens[end..], false)?,
        images: sizes
            .map(|(image, patches)| size(processor.pictures(), image, patches))
            .collect(),
        coordinates: match images.is_empty() {
            true => None,
            false => coordinates(processor)?,
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
fn coordinates(processor: &Processor) -> Result<Option<BoxCoordinates>, VlmError> {
    let config = processor.files().json(ProcessorFiles::CONFIG)?;
    let family = config.as_ref().and_then(|c| c["model_type"].as_str());
    Ok(family.and_then(coordinates_of))
}

/// The coordinates that a family is trained on, by its `model_type`: those of its authors' grounding
/// prompts.
fn coordinates_of(model_type: &str) -> Option<BoxCoordinates> {
    match model_type {
        "qwen2_5_vl" => Some(BoxCoordinates::Resized),
        "qwen2_vl" | "qwen3_vl" | "qwen3_vl_moe" | "internvl" | "internvl_chat" => {
            Some(BoxCoordinates::Thousandths)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_count_in_their_own_coordinates() {
        assert_eq!(coordinates_of("qwen2_5_vl"), Some(BoxCoordinates::Resized));
        for family in ["qwen2_vl", "qwen3_vl", "internvl", "internvl_chat"] {
            let found = coordinates_of(family);
            assert_eq!(found, Some(BoxCoordinates::Thousandths), "{family}");
        }
        assert_eq!(coordinates_of("llama"), None);
    }
}
