//! The image processor's section of a model directory, and what every family refuses in it.

use std::path::PathBuf;

use serde_json::Value;

use super::check::check_positive;
use crate::error::VlmError;
use crate::image::Normalization;
use crate::text::ProcessorFiles;

/// `image_processor` of `processor_config.json`, else `preprocessor_config.json`, with the file it
/// is from; nothing if there is neither.
///
/// # Errors
/// A file is not JSON.
pub fn image_section(files: &ProcessorFiles) -> Result<Option<(PathBuf, Value)>, VlmError> {
    let nested = files.object("processor_config.json")?;
    let nested = nested.and_then(|json| json.get("image_processor").cloned());
    if let Some(json) = nested {
        return Ok(Some((files.path("processor_config.json"), json)));
    }
    let name = "preprocessor_config.json";
    Ok(files.object(name)?.map(|json| (files.path(name), json)))
}

/// Refuses settings that leave out a step without which no tower was trained.
///
/// # Errors
/// The first step that is switched off.
pub fn check_all_steps(steps: [(&str, Option<bool>); 3]) -> Result<(), String> {
    match steps.iter().find(|(_, value)| *value == Some(false)) {
        Some((key, _)) => Err(format!("{key} is false, only true is supported")),
        None => Ok(()),
    }
}

/// Refuses filters other than Pillow's number 3.
///
/// # Errors
/// The number that was found.
pub fn bicubic_only(filter: Option<u32>) -> Result<(), String> {
    match filter.filter(|&filter| filter != 3) {
        Some(filter) => Err(format!(
            "resample is {filter}, only 3 (bicubic) is supported"
        )),
        None => Ok(()),
    }
}

/// Refuses statistics by which no pixel becomes a number.
///
/// # Errors
/// The key, what it is and what was expected.
pub fn check_statistics(normalization: &Normalization) -> Result<(), String> {
    let Normalization { rescale, mean, std } = normalization;
    check_positive("rescale_factor", *rescale)?;
    if !mean.iter().all(|mean| (*mean as f32).is_finite()) {
        return Err(format!("image_mean is {mean:?}, expected numbers"));
    }
    match std
        .iter()
        .all(|std| *std > 0.0 && (*std as f32).is_normal())
    {
        true => Ok(()),
        false => Err(format!("image_std is {std:?}, expected > 0")),
    }
}
