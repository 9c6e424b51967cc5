//! The types every reward speaks: [`RewardInput`], [`Reward`], [`RewardFn`].

use serde::{Deserialize, Serialize};

/// Everything a rule may look at.
#[derive(Debug, Clone, Copy)]
pub struct RewardInput<'a> {
    /// The prompt as the user wrote it, without template tokens.
    pub prompt: &'a str,
    /// What the model answered, special tokens removed.
    pub response: &'a str,
    /// The gold answer of the data row.
    pub answer: &'a str,
    /// Length of the response in tokens.
    pub response_tokens: usize,
    /// Whether the response was cut at the length limit.
    pub truncated: bool,
}

impl<'a> RewardInput<'a> {
    /// An input of which only the response and the gold answer matter.
    pub fn new(response: &'a str, answer: &'a str) -> Self {
        Self {
            prompt: "",
            response,
            answer,
            response_tokens: 0,
            truncated: false,
        }
    }
}

/// A scored response: what the learner maximises, and the parts it was made of.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Reward {
    /// The number that is maximised.
    pub value: f64,
    /// Unweighted parts by name, as logged under `reward/<part>`.
    pub parts: Vec<(String, f64)>,
    /// Whether the answer is right, if some part judges that.
    pub correct: Option<bool>,
}

impl Reward {
    /// A reward of one part named `part`.
    pub fn single(part: &str, value: f64, correct: Option<bool>) -> Self {
        Self {
            value,
            parts: vec![(part.to_owned(), value)],
            correct,
        }
    }

    /// The part called `name`, if there is one.
    pub fn part(&self, name: &str) -> Option<f64> {
        self.parts.iter().find(|(n, _)| n == name).map(|(_, v)| *v)
    }
}

/// A rule: deterministic, bounded in time, callable from any thread.
pub trait RewardFn: Send + Sync {
    /// Scores one response.
    ///
    /// # Errors
    /// An error means the rule could not judge (an unusable gold answer, a service that is down),
    /// never that the response is bad: any string is a legal response.
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError>;

    /// Names of the parts this rule produces, known before it runs, so that a filter that asks for
    /// a part which no rule produces is refused at configuration time.
    fn part_names(&self) -> Vec<String>;
}

/// Why a rule could not judge.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RewardError {
    /// The configuration names a rule that does not exist.
    #[error("unknown reward rule `{name}`{hint}")]
    UnknownRule {
        /// The name given.
        name: String,
        /// The nearest valid name, ready to append.
        hint: String,
    },
    /// An option has a value that makes no sense.
    #[error("reward rule `{rule}`: {message}")]
    Config {
        /// The rule.
        rule: String,
        /// What was found and what was expected.
        message: String,
    },
    /// The gold answer cannot be used by this rule.
    #[error("gold answer `{answer}` cannot be used by `{rule}`: {message}")]
    Gold {
        /// The rule.
        rule: String,
        /// The gold answer.
        answer: String,
        /// What was expected.
        message: String,
    },
}
