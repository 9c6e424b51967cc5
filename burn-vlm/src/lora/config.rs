//! What an adapter is made of.

use crate::{error::VlmError, precision::Compute};
use serde::{Deserialize, Serialize};

/// Every linear layer of the blocks and of the projector, as PEFT calls it.
pub const ALL_LINEAR: &str = "all-linear";

/// Low-rank adaptation ([arXiv:2106.09685](https://arxiv.org/abs/2106.09685)): a frozen layer
/// `W x` becomes `W x + s · B A dropout(x)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct LoraConfig {
    /// r, rows of A; 0 for no adapter.
    pub rank: usize,
    /// α; s = α / r.
    pub alpha: f64,
    /// Share of the adapter's inputs that are left out while it is trained.
    pub dropout: f64,
    /// Whether s = α / √r instead ([arXiv:2312.03732](https://arxiv.org/abs/2312.03732)).
    pub rslora: bool,
    /// Whether completions are sampled with the adapter added to the weights, which is faster and
    /// takes a copy of those weights, rather than beside them. None, in files `auto`, adds it where
    /// the sampled weights are f32: rounding the sum to bf16 loses most of a young adapter.
    #[serde(with = "auto")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "auto::schema"))]
    pub merge_rollouts: Option<bool>,
    /// Which layers: `all-linear`, or the last components of their names, as `q_proj`.
    pub target_modules: Vec<String>,
    /// Which parts of the model: leading components of names, as `model.layers.0..8` or `visual`;
    /// empty for all.
    pub layers: Vec<String>,
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self {
            rank: 0,
            alpha: 16.0,
            dropout: 0.0,
            rslora: false,
            merge_rollouts: None,
            target_modules: vec![ALL_LINEAR.into()],
            layers: vec![],
        }
    }
}

impl LoraConfig {
    /// Whether there is an adapter at all.
    pub fn is_on(&self) -> bool {
        self.rank > 0
    }

    /// Whether completions of a model that computes in `compute` are sampled with the adapter added
    /// to the weights.
    pub fn merges_rollouts(&self, compute: Compute) -> bool {
        self.merge_rollouts.unwrap_or(compute == Compute::F32)
    }

    /// s
    pub fn scale(&self) -> f64 {
        self.alpha / self.divisor(self.rank)
    }

    /// What α is divided by in an adapter of this rank.
    pub(crate) fn divisor(&self, rank: usize) -> f64 {
        let r = rank as f64;
        if self.rslora { r.sqrt() } else { r }
    }

    /// Refuses values that make no sense.
    ///
    /// # Errors
    /// The key, what was found and what was expected.
    pub fn check(&self) -> Result<(), VlmError> {
        let refuse = |key: &str, found: String, expected: &str| {
            let message = format!("lora.{key} is {found}, expected {expected}");
            Err(VlmError::Request(message))
        };
        if !(self.alpha.is_finite() && self.alpha > 0.0) {
            return refuse("alpha", self.alpha.to_string(), "more than 0");
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return refuse("dropout", self.dropout.to_string(), "0 to less than 1");
        }
        if self.target_modules.is_empty() {
            let expected = format!("`{ALL_LINEAR}` or names of layers");
            return refuse("target_modules", "empty".into(), &expected);
        }
        Ok(())
    }
}

/// Whether `end` is a name or the last components of it.
pub(crate) fn ends_in(name: &str, end: &str) -> bool {
    let rest = name.strip_suffix(end);
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// A choice as files have it: true, false, or `auto` for none.
mod auto {
    use serde::{
        Deserializer, Serializer,
        de::{Error, Unexpected, Visitor},
    };
    use std::fmt;

    const AUTO: &str = "auto";

    #[cfg(feature = "schema")]
    pub fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "enum": [true, false, AUTO] })
    }

    pub fn serialize<S: Serializer>(value: &Option<bool>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.serialize_bool(*value),
            None => to.serialize_str(AUTO),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
        struct Choice;
        impl Visitor<'_> for Choice {
            type Value = Option<bool>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or `auto`")
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
                Ok(Some(value))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                match text {
                    AUTO => Ok(None),
                    other => Err(E::invalid_value(Unexpected::Str(other), &self)),
                }
            }
        }
        from.deserialize_any(Choice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rollouts_are_merged_in_f32_unless_a_file_says_otherwise() {
        let read = |value| serde_json::from_value::<LoraConfig>(value).map_err(|e| e.to_string());
        for (value, f32, bf16) in [
            (json!({}), true, false),
            (json!({ "merge_rollouts": "auto" }), true, false),
            (json!({ "merge_rollouts": true }), true, true),
            (json!({ "merge_rollouts": false }), false, false),
        ] {
            let config = read(value).unwrap();
            assert_eq!(config.merges_rollouts(Compute::F32), f32);
            assert_eq!(config.merges_rollouts(Compute::Bf16), bf16);
            let again = read(serde_json::to_value(&config).unwrap());
            assert_eq!(again, Ok(config));
        }
        let message = read(json!({ "merge_rollouts": "maybe" })).unwrap_err();
        assert!(
            message.contains("expected true, false or `auto`"),
            "{message}"
        );
    }
}
