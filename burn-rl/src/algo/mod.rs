//! One algorithm a file: its equation, its source, a config whose defaults are the paper's, and the
//! recipe of parts.

mod grpo;
mod sft;

pub use grpo::Grpo;
pub use sft::Sft;

use crate::{error::RlError, recipe::Recipe};
use serde::{Serialize, de::DeserializeOwned};
use toml::Table;

/// A named algorithm.
pub trait Algorithm: Serialize + DeserializeOwned + Default {
    /// Name in the configuration.
    const NAME: &'static str;
    /// One sentence.
    const ABOUT: &'static str;
    /// Where it is from.
    const PAPER: &'static str;

    /// Its parts.
    ///
    /// # Errors
    /// A value that makes no sense, by name.
    fn recipe(&self) -> Result<Recipe, RlError>;
}

/// An algorithm as it is listed.
pub struct Entry {
    /// Name in the configuration.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// Where it is from.
    pub paper: &'static str,
    /// Its options and their defaults.
    pub defaults: fn() -> Table,
    /// The recipe of the given options.
    pub build: fn(&Table) -> Result<Recipe, RlError>,
}

/// Every algorithm there is. A new one is one file and one line here.
pub const ALGORITHMS: &[Entry] = &[entry::<Grpo>(), entry::<Sft>()];

const fn entry<A: Algorithm>() -> Entry {
    Entry {
        name: A::NAME,
        about: A::ABOUT,
        paper: A::PAPER,
        defaults: || Table::try_from(A::default()).unwrap_or_default(),
        build: |options| {
            let algorithm: A = options.clone().try_into().map_err(|e: toml::de::Error| {
                RlError::Config(format!("algo (`{}`): {}", A::NAME, e.message()))
            })?;
            algorithm.recipe()
        },
    }
}

/// Looks an algorithm up.
///
/// # Errors
/// An unknown name; the message lists those that exist.
pub fn find(name: &str) -> Result<&'static Entry, RlError> {
    ALGORITHMS.iter().find(|a| a.name == name).ok_or_else(|| {
        let known: Vec<&str> = ALGORITHMS.iter().map(|a| a.name).collect();
        let known = known.join(", ");
        RlError::Config(format!("algo.name is `{name}`, expected one of: {known}"))
    })
}

/// Refuses a number that must not be negative or is not finite.
fn non_negative(name: &str, value: f64) -> Result<f64, RlError> {
    match value >= 0.0 && value.is_finite() {
        true => Ok(value),
        false => Err(RlError::Config(format!(
            "algo.{name} is {value}, expected 0 or more"
        ))),
    }
}
