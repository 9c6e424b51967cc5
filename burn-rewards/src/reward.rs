//! The types every reward speaks: [`Reward`] and [`RewardFn`].

use crate::{RewardError, RewardInput};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

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

/// Something that a person should know of a reward that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The rule.
    pub rule: String,
    /// What has happened, and what became of it.
    pub message: String,
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
    /// [`RewardError::NotApplicable`] means that the reward says nothing about this row:
    /// [`crate::Composite`] then leaves it out.
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

    /// Whether the gold answer of a data row can be used: asked once a row before training, with
    /// an empty response.
    ///
    /// # Errors
    /// [`RewardError::Gold`], and [`RewardError::NotApplicable`] where nothing would judge the row.
    fn check_gold(&self, row: &RewardInput<'_>) -> Result<(), RewardError> {
        match self.score(row) {
            Err(error @ (RewardError::Gold { .. } | RewardError::NotApplicable { .. })) => {
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// Whether the row of `row` needs a gold answer: rows without one are refused where it does.
    /// Asked once a row before training, of rows that have none; by default it is tried.
    fn needs_answer(&self, row: &RewardInput<'_>) -> bool {
        matches!(self.score(row), Err(RewardError::Gold { .. }))
    }

    /// Refuses options that can do nothing for responses of at most `max_new_tokens` tokens.
    ///
    /// # Errors
    /// [`RewardError::Config`] with both numbers.
    fn check_length(&self, _max_new_tokens: usize) -> Result<(), RewardError> {
        Ok(())
    }

    /// Whether it looks at [`RewardInput::answers`] itself. One that does not is asked about each
    /// accepted answer, and the best is what counts.
    fn reads_all_answers(&self) -> bool {
        false
    }

    /// What has happened since this was asked last that a person should know, though rewards were
    /// given: a program was started again. Nothing for rewards that ask nobody.
    fn take_notices(&self) -> Vec<Notice> {
        vec![]
    }

    /// How the response was read and judged, one step a line, for people. Empty where the value
    /// says it all.
    fn explain(&self, _input: &RewardInput<'_>) -> Vec<String> {
        vec![]
    }
}
