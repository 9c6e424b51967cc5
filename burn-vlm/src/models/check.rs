//! Checks of single numbers of a configuration, each of which names its key.

/// Sizes beyond these are no model's; products of them still fit a number.
const MAX_LAYERS: usize = 10_000;
const MAX_WIDTH: usize = 1 << 20;
pub(super) const MAX_VOCABULARY: usize = 1 << 24;

/// Refuses a size that is 0 or that no model has.
pub(super) fn check_size(key: &str, found: usize, most: usize) -> Result<(), String> {
    match (1..=most).contains(&found) {
        true => Ok(()),
        false => Err(format!("{key} is {found}, expected 1 to {most}")),
    }
}

/// Refuses widths and depths of a tower or a decoder that no model has.
pub(super) fn check_sizes(layers: (&str, usize), widths: &[(&str, usize)]) -> Result<(), String> {
    check_size(layers.0, layers.1, MAX_LAYERS)?;
    widths
        .iter()
        .try_for_each(|(key, found)| check_size(key, *found, MAX_WIDTH))
}

/// Refuses a number that is not greater than 0, or not in the f32 that models compute in.
pub(super) fn check_positive(key: &str, found: f64) -> Result<(), String> {
    match found > 0.0 && (found as f32).is_normal() {
        true => Ok(()),
        false => Err(format!(
            "{key} is {found}, expected a number greater than 0"
        )),
    }
}

/// Refuses a tower of other colours than pictures have.
pub(super) fn check_channels(key: &str, found: usize) -> Result<(), String> {
    match found {
        3 => Ok(()),
        _ => Err(format!("{key} is {found}, expected 3: red, green and blue")),
    }
}

/// Refuses a size that is no multiple of another.
pub(super) fn check_divides(what: &str, a: usize, b: usize) -> Result<(), String> {
    match b != 0 && a.is_multiple_of(b) {
        true => Ok(()),
        false => Err(format!("{what}: {a} is not a multiple of {b}")),
    }
}
