//! The algorithm by its name.

use crate::{algo, error::RlError, recipe::Recipe};
use serde::{Deserialize, Serialize};
use toml::Table;

/// The algorithm and its options, which stand beside its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AlgoConfig {
    /// Name, as `trainer algos` lists it.
    pub name: String,
    /// Options of that algorithm.
    #[serde(flatten)]
    pub options: Table,
}

impl Default for AlgoConfig {
    fn default() -> Self {
        Self {
            name: "grpo".into(),
            options: Table::new(),
        }
    }
}

impl AlgoConfig {
    /// The algorithm's parts.
    ///
    /// # Errors
    /// An unknown algorithm, an unknown option or a value that makes no sense.
    pub fn recipe(&self) -> Result<Recipe, RlError> {
        (algo::find(&self.name)?.build)(&self.options)
    }

    /// The same with every option spelled out.
    ///
    /// # Errors
    /// An unknown algorithm.
    pub fn resolved(&self) -> Result<Self, RlError> {
        let entry = algo::find(&self.name)?;
        let mut options = (entry.defaults)();
        options.extend(self.options.clone());
        Ok(Self {
            name: entry.name.into(),
            options,
        })
    }
}
