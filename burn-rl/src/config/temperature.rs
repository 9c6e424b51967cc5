//! The temperature at which log-probabilities are taken.

use crate::error::RlError;
use burn_vlm::generate::Sampling;
use serde::{Deserialize, Serialize};

/// The temperature that divides the logits before the learner takes log-probabilities.
///
/// With [`Sampling`](Self::Sampling) the policy that is trained is the one that completions are
/// drawn from, as in TRL, verl and prime-rl. At another temperature the gradient is biased unless
/// the loss corrects for the behaviour policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub enum LogprobTemperature {
    /// That of sampling; 1 for demonstrations, which are not sampled.
    #[default]
    Sampling,
    /// This one.
    Fixed(f64),
}

/// How it stands in a file.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
enum Text {
    Number(f64),
    Name(Name),
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum Name {
    Sampling,
}

impl From<LogprobTemperature> for Text {
    fn from(temperature: LogprobTemperature) -> Self {
        match temperature {
            LogprobTemperature::Sampling => Self::Name(Name::Sampling),
            LogprobTemperature::Fixed(number) => Self::Number(number),
        }
    }
}

impl From<Text> for LogprobTemperature {
    fn from(text: Text) -> Self {
        match text {
            Text::Name(Name::Sampling) => Self::Sampling,
            Text::Number(number) => Self::Fixed(number),
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for LogprobTemperature {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LogprobTemperature".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Text::json_schema(generator)
    }
}

impl LogprobTemperature {
    /// The number for completions that were drawn so.
    pub fn of_samples(self, sampling: &Sampling) -> f64 {
        match self {
            Self::Sampling => sampling.temperature,
            Self::Fixed(number) => number,
        }
    }

    /// The number for responses that the data demonstrate.
    pub fn of_demonstrations(self) -> f64 {
        match self {
            Self::Sampling => 1.0,
            Self::Fixed(number) => number,
        }
    }

    pub(super) fn check(self) -> Result<(), RlError> {
        match self {
            Self::Fixed(number) if !(number > 0.0 && number.is_finite()) => Err(RlError::Config(
                format!("train.logprob_temperature is {number}, expected above 0, or `sampling`"),
            )),
            _ => Ok(()),
        }
    }
}
