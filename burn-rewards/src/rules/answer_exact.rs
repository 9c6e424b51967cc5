//! Accuracy by string equality of the last `<answer>` and the gold answer.

use super::Options;
use crate::{Reward, RewardError, RewardFn, RewardInput, extract::last_answer_tag};
use serde::{Deserialize, Serialize};

/// 1 where the content of the last `<answer>…</answer>` equals the gold answer, else 0.
///
/// Case, the amount of white space and one final full stop do not count. The gold answer may itself
/// be wrapped in `<answer>` tags, as R1-V's data sets have it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnswerExact {
    /// Whether `Red` differs from `red`.
    pub case_sensitive: bool,
}

impl Options for AnswerExact {
    const NAME: &'static str = "answer_exact";
    const PART: &'static str = "accuracy";
    const RANGE: (f64, f64) = (0.0, 1.0);
    const ABOUT: &'static str =
        "the last <answer> equals the gold answer, up to case, white space and a full stop";
    const SOURCE: &'static str =
        "R1-V accuracy_reward, its string branch, without its fall-back to the whole response";
    const OPTIONS: &'static [(&'static str, &'static str)] =
        &[("case_sensitive", "whether `Red` differs from `red`")];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        Ok(Box::new(self))
    }
}

impl AnswerExact {
    fn normalise(&self, text: &str) -> String {
        let text = text.trim();
        let text = text.strip_suffix('.').unwrap_or(text);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if self.case_sensitive {
            text
        } else {
            text.to_lowercase()
        }
    }
}

impl RewardFn for AnswerExact {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let gold = self.normalise(last_answer_tag(input.answer).unwrap_or(input.answer));
        if gold.is_empty() {
            let expected = "expected a text that is not empty";
            return Err(RewardError::gold(Self::NAME, input.answer, expected));
        }
        let correct = last_answer_tag(input.response).is_some_and(|a| self.normalise(a) == gold);
        Ok(Reward::verdict(Self::PART, correct))
    }

    fn part_names(&self) -> Vec<String> {
        vec![Self::PART.into()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(response: &str, gold: &str) -> f64 {
        AnswerExact::default()
            .score(&RewardInput::new(response, gold))
            .unwrap()
            .value
    }

    #[test]
    fn only_the_last_tag_counts() {
        assert_eq!(value("<answer>red</answer>", "red"), 1.0);
        assert_eq!(
            value("<answer>blue</answer><answer> Red. </answer>", "red"),
            1.0
        );
        assert_eq!(
            value("<answer>red</answer><answer>blue</answer>", "red"),
            0.0
        );
    }

    #[test]
    fn an_answer_outside_the_tag_is_wrong() {
        assert_eq!(value("red", "red"), 0.0);
        assert_eq!(value("<answer>red", "red"), 0.0);
        assert_eq!(value("</answer><answer>", "red"), 0.0);
    }

    #[test]
    fn an_empty_gold_is_an_error_not_a_free_point() {
        assert!(
            AnswerExact::default()
                .score(&RewardInput::new("<answer></answer>", " "))
                .is_err()
        );
    }
}
