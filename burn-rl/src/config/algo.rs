//! The algorithm by its name.

use crate::{algo::Registry, error::RlError, recipe::Recipe};
use serde::{Deserialize, Serialize};
use toml::Table;

/// The algorithm and its options, which stand beside its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct AlgoConfig {
    /// Name, as `trainer algos` lists it.
    pub name: String,
    /// Options of that algorithm.
    #[serde(flatten)]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "serde_json::Map<String, serde_json::Value>")
    )]
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
    pub fn recipe(&self, algorithms: &Registry) -> Result<Recipe, RlError> {
        (algorithms.find(&self.name)?.build)(&self.options)
    }

    /// The same with every option spelled out.
    ///
    /// # Errors
    /// An unknown algorithm.
    pub fn resolved(&self, algorithms: &Registry) -> Result<Self, RlError> {
        let entry = algorithms.find(&self.name)?;
        let mut options = (entry.defaults)();
        options.extend(self.options.clone());
        Ok(Self {
            name: entry.name.into(),
            options,
        })
    }
}
