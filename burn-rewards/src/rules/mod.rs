//! One rule a file, and the table that lists them.

mod answer_exact;
mod answer_format;

pub use answer_exact::AnswerExact;
pub use answer_format::AnswerFormat;

use crate::{RewardError, RewardFn};
use serde_json::{Map, Value};

/// A rule as it is listed: what `trainer rewards` prints and the configuration looks up.
pub struct Rule {
    /// Name in the configuration.
    pub name: &'static str,
    /// The part it produces.
    pub part: &'static str,
    /// Smallest and largest value.
    pub range: (f64, f64),
    /// What it judges, in one sentence.
    pub about: &'static str,
    /// Where the rule is from.
    pub source: &'static str,
    /// Builds the rule from its options.
    pub build: Build,
}

/// Builds a rule from its options, or says which of them is wrong.
pub type Build = fn(&Map<String, Value>) -> Result<Box<dyn RewardFn>, RewardError>;

/// Every rule there is. A new rule is one file and one entry.
pub const RULES: &[Rule] = &[answer_exact::RULE, answer_format::RULE];

/// Reads a rule's options into its config struct; unknown or mistyped options are an error.
fn options<T: serde::de::DeserializeOwned>(
    rule: &str,
    options: &Map<String, Value>,
) -> Result<T, RewardError> {
    serde_json::from_value(Value::Object(options.clone())).map_err(|error| RewardError::Config {
        rule: rule.to_owned(),
        message: error.to_string(),
    })
}
