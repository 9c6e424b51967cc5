//! Ranges of numbers that a user sets. Names are those of `[algo]` in a configuration, so that a
//! message means the same from Rust and from TOML.

use crate::error::RlError;

fn refuse<T>(name: &str, value: f64, expected: &str) -> Result<T, RlError> {
    Err(RlError::Config(format!(
        "algo.{name} is {value}, expected {expected}"
    )))
}

/// Refuses a number that is negative or not finite.
pub(crate) fn non_negative(name: &str, value: f64) -> Result<f64, RlError> {
    match value >= 0.0 && value.is_finite() {
        true => Ok(value),
        false => refuse(name, value, "0 or more"),
    }
}

/// Refuses a number outside a range, whose ends belong to it.
pub(crate) fn between(name: &str, value: f64, low: f64, high: f64) -> Result<f64, RlError> {
    match value >= low && value <= high {
        true => Ok(value),
        false => refuse(name, value, &format!("{low} to {high}")),
    }
}

/// Refuses a number that is not finite.
pub(crate) fn finite(name: &str, value: f64) -> Result<f64, RlError> {
    between(name, value, f64::MIN, f64::MAX)
}

/// Refuses a number that is not above 0 or not finite.
pub(crate) fn above_zero(name: &str, value: f64) -> Result<f64, RlError> {
    match value > 0.0 && value.is_finite() {
        true => Ok(value),
        false => refuse(name, value, "more than 0"),
    }
}

/// A limit as a configuration has it, where 0 stands for none.
pub(crate) fn limit(name: &str, value: f64) -> Result<Option<f64>, RlError> {
    Ok(Some(non_negative(name, value)?).filter(|v| *v > 0.0))
}
