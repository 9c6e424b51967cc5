//! The types every reward speaks: [`RewardInput`], [`Reward`], [`RewardFn`].

use crate::RewardError;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Everything a reward may look at.
#[derive(Debug, Clone, Copy)]
pub struct RewardInput<'a> {
    /// The prompt as the user wrote it, without template tokens.
    pub prompt: &'a str,
    /// What the model answered, special tokens removed.
    pub response: &'a str,
    /// The gold answer of the data row.
    pub answer: &'a str,
    /// Length of the response in tokens, where it was counted.
    pub response_tokens: Option<usize>,
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
            response_tokens: None,
            truncated: false,
        }
    }
}

/// A scored response: what the learner maximises, and the parts it was made of.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Reward {
    /// The number that is maximised.
    pub value: f64,
    /// Parts by name, as logged under `reward/<part>`: as judged, before weight, gate and clip.
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

    /// A verdict: 1 where `correct`, else 0.
    pub fn verdict(part: &str, correct: bool) -> Self {
        Self::single(part, f64::from(u8::from(correct)), Some(correct))
    }

    /// The part called `name`, if there is one.
    pub fn part(&self, name: &str) -> Option<f64> {
        self.parts.iter().find(|(n, _)| n == name).map(|(_, v)| *v)
    }
}

/// A reward: callable from any thread, and the same for the same input.
///
/// Implement it for a reward of your own and give it to [`crate::Composite`], or to the trainer as
/// it is:
///
/// ```
/// use burn_rewards::{Reward, RewardError, RewardFn, RewardInput};
///
/// struct Polite;
///
/// impl RewardFn for Polite {
///     fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
///         let value = f64::from(u8::from(input.response.contains("please")));
///         Ok(Reward::single("polite", value, None))
///     }
///
///     fn part_names(&self) -> Vec<String> {
///         vec!["polite".into()]
///     }
/// }
///
/// let scored = Polite.score(&RewardInput::new("Open it, please.", ""))?;
/// assert_eq!(scored.part("polite"), Some(1.0));
/// # Ok::<(), RewardError>(())
/// ```
pub trait RewardFn: Send + Sync {
    /// Scores one response.
    ///
    /// # Errors
    /// An error means the reward could not judge (an unusable gold answer, a service that is
    /// down), never that the response is bad: any string is a legal response.
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError>;

    /// Names of the parts this reward is sure to produce, known before it runs, so that a filter
    /// that asks for a part which no reward produces is refused at configuration time. The first
    /// is the reward's own value.
    fn part_names(&self) -> Vec<String>;

    /// Scores many responses, one result each, in their order. On all threads unless a reward
    /// has a better way, such as one request for all.
    fn score_batch(&self, inputs: &[RewardInput<'_>]) -> Vec<Result<Reward, RewardError>> {
        inputs.par_iter().map(|input| self.score(input)).collect()
    }

    /// Whether the gold answer of a data row can be used: asked once a row before training.
    ///
    /// # Errors
    /// [`RewardError::Gold`].
    fn check_gold(&self, prompt: &str, answer: &str) -> Result<(), RewardError> {
        let input = RewardInput {
            prompt,
            ..RewardInput::new("", answer)
        };
        match self.score(&input) {
            Err(error @ RewardError::Gold { .. }) => Err(error),
            _ => Ok(()),
        }
    }
}
